package pages

import (
	"net/http"
	"net/url"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// perPage is how many displays a page shows.
const perPage = 100

type displayRow struct {
	Display, Place playlist.ID
	Now, Until     string
	Lacks          []desk.LanguageLacked
	Size           string
	TooMuch        bool
}

type displaysData struct {
	Rows        []displayRow
	Next        string
	Editions    []central.Edition
	Unpublished bool
	At          time.Time // of the plan
}

// displays shows what plays by what was published, and says loudly if more was
// approved since.
func (p *pages) displays(w http.ResponseWriter, r *http.Request, v *view) error {
	view, err := p.Plans.View(r.Context(), true)
	if err != nil {
		return err
	}
	data := displaysData{At: p.Desk.Now()}
	root, err := p.Desk.Root(r.Context())
	if err != nil {
		return err
	}
	after := playlist.ID(r.URL.Query().Get("after"))
	if _, known := view.Catalogue.Places[root]; known {
		pre, err := view.Preflight(root)
		if err != nil {
			return err
		}
		for _, d := range pre.Displays {
			if d.Display <= after {
				continue
			}
			if len(data.Rows) == perPage {
				data.Next = "/displays?after=" + url.QueryEscape(string(data.Rows[perPage-1].Display))
				break
			}
			row, err := p.display(v, view, d)
			if err != nil {
				return err
			}
			data.Rows = append(data.Rows, row)
		}
	}
	err = p.Desk.Store.Read(r.Context(), func(rd central.Reader) error {
		data.Editions, err = newestOfEach(rd, r)
		if err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	if data.Unpublished, err = p.Plans.Unpublished(r.Context()); err != nil {
		return err
	}
	v.Title, v.Here, v.Data = v.T("displays"), "displays", data
	p.show(w, v, http.StatusOK, "displays")
	return nil
}

func newestOfEach(rd central.Reader, r *http.Request) ([]central.Edition, error) {
	all, err := rd.Editions(r.Context(), "", 500)
	seen := map[playlist.ID]bool{}
	var out []central.Edition
	for _, e := range all {
		if !seen[e.Scope] {
			seen[e.Scope] = true
			out = append(out, e)
		}
	}
	return out, err
}

func (p *pages) display(v *view, view *desk.View, d desk.DisplayPreflight) (displayRow, error) {
	row := displayRow{Display: d.Display, Place: d.Place, Lacks: d.Lacks, Size: size(d.Bytes), TooMuch: d.TooMuch}
	layers, err := view.At(d.Display, p.Desk.Now())
	if err != nil {
		return row, err
	}
	main := layers[0]
	row.Now, row.Until = main.Winner, v.T("further")
	switch {
	case main.Notice != "":
		row.Now = v.T("notice") + " " + string(main.Notice)
	case main.Winner == "default":
		row.Now = v.T("default")
	default:
		row.Now = main.Winner
		if main.Owner != "" {
			row.Now += " (" + v.Place(main.Owner) + ")"
		}
	}
	if main.Playlist != "" {
		row.Now += " · " + string(main.Playlist)
	}
	if main.Next != nil {
		row.Until = v.Time(*main.Next)
	}
	return row, nil
}
