package store

import (
	"context"
	"errors"
	"fmt"

	"cotmoc/playlist"
)

// LibraryRows returns what travellers may browse: places, facts, public items and
// their published versions, without the bodies of texts, which Version reads when one
// is opened. 20,000 items take some 20 MB.
func (e *Edition) LibraryRows(ctx context.Context) (r playlist.Rows, err error) {
	var errs [5]error
	r.Places, errs[0] = rowsOf[playlist.Place](ctx, e, "place", "")
	r.Facts, errs[1] = rowsOf[playlist.GateFact](ctx, e, "fact", "")
	r.Displays, errs[2] = rowsOf[playlist.Display](ctx, e, "display", "")
	items, err3 := rowsOf[playlist.Item](ctx, e, "item", "")
	versions, err4 := rowsAs[playlist.Version](ctx, e, "json_remove(row,'$.text','$.display')", "version", "")
	errs[3], errs[4] = err3, err4
	public := found(playlist.Rows{Items: items})
	for _, i := range items {
		if i.Audience != playlist.Staff {
			r.Items = append(r.Items, i)
		}
	}
	for _, v := range versions {
		if public(v) {
			r.Versions = append(r.Versions, v)
		}
	}
	return r, errors.Join(errs[:]...)
}

// Version reads one version, whole.
func (e *Edition) Version(ctx context.Context, id playlist.ID) (playlist.Version, error) {
	rows, err := rowsOf[playlist.Version](ctx, e, "version", " AND id=?", id)
	if err != nil {
		return playlist.Version{}, err
	}
	if len(rows) == 0 {
		return playlist.Version{}, fmt.Errorf("edition %s: no version %s", e.ID, id)
	}
	return rows[0], nil
}

// MediaOf reads what the edition says of some files. Files that it does not name
// are left out.
func (e *Edition) MediaOf(ctx context.Context, files ...playlist.Hash) (out []playlist.Media, err error) {
	for _, h := range files {
		rows, err := rowsOf[playlist.Media](ctx, e, "media", " AND id=?", h)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}
