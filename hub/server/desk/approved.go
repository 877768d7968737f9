package desk

import (
	"context"
	"slices"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// approved is what reviewers let through, of all scopes, read once however many
// scopes are published together.
type approved struct {
	items     map[playlist.ID]bool // that may be shown
	rows      []ownedItem
	owners    []playlist.ID // of versions, one by one
	versions  []Version     // published, approved and withdrawn
	coming    map[turn]bool // items and languages of which a newer version is approved
	seen      map[playlist.Hash]bool
	overtaken map[playlist.ID]bool // translations that are not true any more
}

type ownedItem struct {
	owner playlist.ID
	row   playlist.Item
}

// turn is an item in a language: of its versions one is shown.
type turn struct {
	item     playlist.ID
	language playlist.Language
}

func readApproved(ctx context.Context, r central.Reader) (*approved, error) {
	a := &approved{items: map[playlist.ID]bool{}, coming: map[turn]bool{}, seen: map[playlist.Hash]bool{}, overtaken: map[playlist.ID]bool{}}
	docs, err := r.List(ctx, central.Query{Kind: central.Items})
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		shown, err := approvedRow(ctx, r, d)
		if err != nil {
			return nil, err
		}
		if shown == nil {
			continue
		}
		item, err := central.Decode[playlist.Item](*shown)
		if err != nil {
			return nil, err
		}
		if item.Audience == playlist.Staff { // editions are read by anyone
			continue
		}
		a.items[item.ID] = true
		a.rows = append(a.rows, ownedItem{shown.Owner, item})
	}
	return a, a.readVersions(ctx, r)
}

func (a *approved) readVersions(ctx context.Context, r central.Reader) error {
	states := []string{string(playlist.Published), string(playlist.Withdrawn), string(playlist.Approved)}
	docs, err := r.List(ctx, central.Query{Kind: central.Versions, States: states})
	if err != nil {
		return err
	}
	translated := map[playlist.ID]bool{}
	for _, d := range docs {
		v, err := central.Decode[Version](d)
		if err != nil {
			return err
		}
		a.owners, a.versions = append(a.owners, d.Owner), append(a.versions, v)
		if v.State == playlist.Approved {
			a.coming[turn{v.Item, v.Language}] = true
		}
		if v.State != playlist.Withdrawn {
			for _, h := range v.Files() {
				a.seen[h] = true
			}
		}
		if v.BaseVersion != "" {
			translated[v.Item] = true
		}
	}
	for item := range translated {
		if err := a.overtake(ctx, r, item); err != nil {
			return err
		}
	}
	return nil
}

// overtake finds translations of an item whose base has changed in substance:
// they say what is not so any more.
func (a *approved) overtake(ctx context.Context, r central.Reader, item playlist.ID) error {
	docs, err := r.List(ctx, central.Query{Kind: central.Versions, Parent: item})
	if err != nil {
		return err
	}
	versions, err := inTime(docs)
	if err != nil {
		return err
	}
	for n := range versions {
		if versions[n].State != playlist.Approved {
			continue
		}
		for m := range versions { // it will be published, in place of this one
			if versions[m].Language == versions[n].Language && versions[m].State == playlist.Published {
				versions[m].State = playlist.Superseded
			}
		}
		versions[n].State = playlist.Published
	}
	for _, c := range workflow.Cells(versions, nil) {
		if c.Material {
			a.overtaken[c.Published] = true
		}
	}
	return nil
}

// inTime returns versions of an item in the order in which they were made.
func inTime(docs []central.Doc) ([]playlist.Version, error) {
	all := make([]Version, len(docs))
	for n, d := range docs {
		var err error
		if all[n], err = central.Decode[Version](d); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b Version) int { return a.Number - b.Number })
	out := make([]playlist.Version, len(all))
	for n, v := range all {
		out[n] = v.Version
	}
	return out, nil
}
