package workflow

import (
	"slices"

	"cotmoc/playlist"
)

// Standing says how far an item is in one language.
type Standing string

// The standings.
const (
	Missing   Standing = "missing"
	Drafted   Standing = "draft"
	Reviewing Standing = "in review"
	Ready     Standing = "approved"
	Live      Standing = "published"
	Outdated  Standing = "outdated" // published, but its base has changed since
)

// Cell is an item's standing in one language: what people see, and what is on
// its way to replace it.
type Cell struct {
	Language  playlist.Language `json:"language"`
	Standing  Standing          `json:"standing"`
	Published playlist.ID       `json:"published,omitempty"`
	Coming    playlist.ID       `json:"coming,omitempty"` // draft, in review or approved
	Base      playlist.ID       `json:"base,omitempty"`   // what it translates
	Newer     playlist.ID       `json:"newer_base,omitempty"`
	Material  bool              `json:"material_change,omitempty"` // an outdated text that must not be shown
}

// Cells tells the standing in each language of want, and in those that there
// are besides. versions are all of one item, the oldest first.
func Cells(versions []playlist.Version, want []playlist.Language) []Cell {
	live := map[playlist.Language]playlist.Version{}
	language := map[playlist.ID]playlist.Language{}
	languages := slices.Clone(want)
	for _, v := range versions {
		language[v.ID] = v.Language
		if v.State == playlist.Published {
			live[v.Language] = v
		}
		if !slices.Contains(languages, v.Language) && v.State != playlist.Superseded && v.State != playlist.Withdrawn && v.State != playlist.Expired {
			languages = append(languages, v.Language)
		}
	}
	out := make([]Cell, 0, len(languages))
	for _, l := range languages {
		c := Cell{Language: l, Standing: Missing}
		for _, v := range versions {
			if v.Language != l {
				continue
			}
			switch v.State {
			case playlist.Draft:
				c.Coming, c.Standing = v.ID, Drafted
			case playlist.InReview:
				c.Coming, c.Standing = v.ID, Reviewing
			case playlist.Approved:
				c.Coming, c.Standing = v.ID, Ready
			}
		}
		if v, ok := live[l]; ok {
			c.Published, c.Standing, c.Base = v.ID, Live, v.BaseVersion
			base, known := live[language[v.BaseVersion]]
			if v.BaseVersion != "" && known && base.ID != v.BaseVersion {
				c.Standing, c.Newer, c.Material = Outdated, base.ID, changedSince(versions, v.BaseVersion, base.Language)
			}
		}
		out = append(out, c)
	}
	return out
}

// changedSince says whether any published version after base was a material
// change.
func changedSince(versions []playlist.Version, base playlist.ID, l playlist.Language) bool {
	after := false
	for _, v := range versions {
		if after && v.Language == l && v.MaterialChange && (v.State == playlist.Published || v.State == playlist.Superseded) {
			return true
		}
		after = after || v.ID == base
	}
	return false
}
