package fleet

import (
	"cmp"
	"context"
	"slices"
	"time"

	"cotmoc/playlist"
)

// Few is the least number that is shown: smaller ones could be somebody.
const Few = 5

// Limits of what is asked for and answered.
const (
	maxVisitDays = 400 // a year and a bit
	maxRanked    = 100
)

// Visits is what visitors did at the library of a place and the places below it. Values
// under Few are left out everywhere, and not summed up either: a difference would tell them.
type Visits struct {
	Place     playlist.ID   `json:"place"`
	From      playlist.Date `json:"from"`
	Until     playlist.Date `json:"until"` // inclusive
	Days      []VisitDay    `json:"days"`
	Items     []Ranked      `json:"items"`     // opened, the most first
	Languages []Ranked      `json:"languages"` // chosen
	Missing   int64         `json:"missing"`   // searches that found nothing
	Hidden    int           `json:"hidden"`    // how many values are left out
}

// VisitDay is how many visits began on a local day.
type VisitDay struct {
	Day    playlist.Date `json:"day"`
	Visits int64         `json:"visits"`
	Hidden bool          `json:"hidden,omitempty"` // 1 to 4
}

// Ranked is how often something was opened or chosen.
type Ranked struct {
	ID string `json:"id"`
	N  int64  `json:"n"`
}

// Visits sums up what was counted from one local day until another.
func (f *Fleet) Visits(ctx context.Context, place playlist.ID, from, until playlist.Date) (Visits, error) {
	out := Visits{Place: place, From: from, Until: until, Items: []Ranked{}, Languages: []Ranked{}}
	days := int(until.UTC().Sub(from.UTC())/(24*time.Hour)) + 1
	if days < 1 || days > maxVisitDays {
		return out, &playlist.Error{Code: playlist.CodeInvalid, Where: "visits", Detail: "ask for one day to 400 days"}
	}
	places, err := f.Desk.Below(ctx, place)
	if err != nil {
		return out, err
	}
	rows, err := f.Store.Counts(ctx, places, from, until)
	if err != nil {
		return out, err
	}
	visits, items, languages, missing := map[string]int64{}, map[string]int64{}, map[string]int64{}, int64(0)
	for _, c := range rows {
		switch c.What {
		case "visit":
			visits[c.Day] += c.N
		case "item":
			items[c.Item] += c.N
		case "language":
			languages[c.Language] += c.N
		case "missing":
			missing += c.N
		}
	}
	for n := range days {
		d := VisitDay{Day: from.Add(n)}
		d.Visits, d.Hidden = enough(visits[d.Day.String()], &out.Hidden)
		out.Days = append(out.Days, d)
	}
	out.Missing, _ = enough(missing, &out.Hidden)
	out.Items, out.Languages = ranked(items, &out.Hidden), ranked(languages, &out.Hidden)
	return out, nil
}

// enough hides a value that is too small to be shown.
func enough(n int64, hidden *int) (int64, bool) {
	if n > 0 && n < Few {
		*hidden++
		return 0, true
	}
	return n, false
}

func ranked(of map[string]int64, hidden *int) []Ranked {
	out := []Ranked{}
	for id, n := range of {
		if n, hide := enough(n, hidden); !hide {
			out = append(out, Ranked{id, n})
		}
	}
	slices.SortFunc(out, func(a, b Ranked) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.ID, b.ID)) })
	return out[:min(len(out), maxRanked)]
}

// keptDays is how long counts stay at the hub.
const keptDays = 800

// Tidy lets go of counts that are older than some two years.
func (f *Fleet) Tidy(ctx context.Context) error {
	return f.Store.Forget(ctx, playlist.DateOf(f.Desk.Now().UTC().AddDate(0, 0, -keptDays)))
}
