package desk

import (
	"fmt"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// What one author may pile up is bounded, so that no office fills the hub for all. The
// bounds hold when something is written: what is there already stays.
const (
	maxDrafts    = 2000 // versions that a place has on their way
	maxSame      = 200  // versions of an item in one language
	maxRemarks   = 500  // comments on a version
	maxTags      = 64   // of an item
	maxTag       = 200  // bytes
	keptDrafts   = 50   // saves of a draft that its history keeps
	maxUploading = 64 << 30
)

func tooMuch(where, format string, args ...any) error {
	return &playlist.Error{Code: playlist.CodeRefused, Where: where, Detail: fmt.Sprintf(format, args...)}
}

// bounded refuses a row that is more than anybody needs.
func bounded(row any) error {
	i, ok := row.(playlist.Item)
	if !ok {
		return nil
	}
	where := "item " + string(i.ID)
	if len(i.Tags) > maxTags {
		return tooMuch(where, "it has %d tags, more than %d", len(i.Tags), maxTags)
	}
	for _, tag := range i.Tags {
		if len(tag) > maxTag {
			return tooMuch(where, "a tag has %d bytes, more than %d", len(tag), maxTag)
		}
	}
	return nil
}

// roomForDraft refuses one more version where an item or a place has too many.
func (t *tx) roomForDraft(v Version, owner playlist.ID, same int) error {
	where := "version " + string(v.ID)
	if same >= maxSame {
		return tooMuch(where, "item %s has %d versions in %s: make a new item", v.Item, same, v.Language)
	}
	n, err := t.Count(t.ctx, central.Query{Kind: central.Versions, Owners: []playlist.ID{owner}, States: []string{string(playlist.Draft)}})
	if err == nil && n >= maxDrafts {
		err = tooMuch(where, "%d drafts of %s are on their way: submit or delete some first", n, owner)
	}
	return err
}

// roomForUpload refuses an upload beyond what an account may have on its way.
func (t *tx) roomForUpload(length int64) error {
	open, err := central.All[Upload](t.ctx, t, central.Query{Kind: central.Uploads, Parent: t.by.Account, States: []string{uploadOpen}})
	for _, u := range open {
		length += u.Length
	}
	if err == nil && length > maxUploading {
		err = tooMuch("upload", "your open uploads would have %d GiB, more than %d: finish or delete some first", length>>30, maxUploading>>30)
	}
	return err
}
