package pages

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/fleet"
	"cotmoc/playlist"
)

// visitDays is how many days the page shows, with today.
const visitDays = 30

// Size of the drawn days, in the drawing's units.
const (
	dayWide  = 24
	drawHigh = 180
)

type visitBar struct {
	fleet.VisitDay
	X, Y, High int
}

type visitsData struct {
	fleet.Visits
	Place   playlist.ID
	Bars    []visitBar
	Most    int64
	Sum     int64
	Few     int
	Wide    int
	Titles  map[string]string
	Nothing bool
}

// visits draws what visitors did at the touch screens in the last thirty days, at a place
// and below it.
func (p *pages) visits(w http.ResponseWriter, r *http.Request, v *view) error {
	root, err := p.Desk.Root(r.Context())
	if err != nil {
		return err
	}
	place := cmp.Or(playlist.ID(strings.TrimSpace(r.URL.Query().Get("place"))), root)
	_, unknown := p.Desk.Place(r.Context(), place)
	if err := p.Desk.Works(r.Context(), v.by, place); err != nil && unknown == nil {
		if r.URL.Query().Get("place") != "" || len(v.by.Grants) == 0 {
			return err
		}
		place = v.by.Grants[0].Place
	}
	until := playlist.DateOf(v.local(p.Desk.Now()))
	got, err := p.Fleet.Visits(r.Context(), place, until.Add(1-visitDays), until)
	if errors.Is(err, central.ErrNotFound) {
		v.Problem, place = v.T("wrong-place"), root
		got, err = p.Fleet.Visits(r.Context(), place, until.Add(1-visitDays), until)
	}
	if err != nil {
		return err
	}
	data := visitsData{Visits: got, Place: place, Few: fleet.Few, Wide: visitDays * dayWide, Titles: map[string]string{}}
	for _, d := range got.Days {
		data.Most, data.Sum = max(data.Most, d.Visits), data.Sum+d.Visits
	}
	data.Nothing = data.Sum == 0 && got.Hidden == 0
	for n, d := range got.Days {
		high := 0
		if d.Visits > 0 {
			high = max(2, int(d.Visits*drawHigh/data.Most))
		}
		data.Bars = append(data.Bars, visitBar{d, n * dayWide, drawHigh - high, high})
	}
	view, err := p.Plans.View(r.Context(), true)
	if err != nil {
		return err
	}
	for _, i := range got.Items {
		for _, version := range view.Catalogue.Versions[playlist.ID(i.ID)] {
			if data.Titles[i.ID] == "" || string(version.Language) == v.Lang {
				data.Titles[i.ID] = version.Title
			}
		}
	}
	v.Title, v.Here, v.Data = v.T("visits"), "visits", data
	p.show(w, v, http.StatusOK, "visits")
	return nil
}
