package desk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// kindOf describes a kind of plain object: what it needs, who owns it and what
// it refers to.
type kindOf struct {
	right  rights.Act
	decode func(raw []byte) (object, error)
}

// object is a checked row, ready to be kept.
type object struct {
	id    playlist.ID
	owner playlist.ID
	row   any
	name  string
	// mini is what playlist.NewCatalogue must be shown to check this row.
	mini func(m *mini)
}

// kind makes a description from a constructor of the domain.
func kind[T any](right rights.Act, check func(T) (T, error), make func(T) object) kindOf {
	return kindOf{right, func(raw []byte) (object, error) {
		var row T
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&row); err != nil {
			return object{}, &playlist.Error{Code: playlist.CodeInvalid, Detail: plain(err)}
		}
		if _, err := dec.Token(); err != io.EOF {
			return object{}, &playlist.Error{Code: playlist.CodeInvalid, Detail: "there is something after the JSON value"}
		}
		row, err := check(row)
		if err != nil {
			return object{}, err
		}
		o := make(row)
		o.row = row
		return o, nil
	}}
}

// plain keeps a decoder's complaint short.
func plain(err error) string {
	if e, ok := err.(*playlist.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("the JSON cannot be read: %v", err)
}

var kinds = map[central.Kind]kindOf{
	central.Places: kind(rights.Administer, playlist.NewPlace, func(p playlist.Place) object {
		return object{id: p.ID, owner: p.ID, mini: func(m *mini) {
			m.rows.Places = append(m.rows.Places, p)
			m.place(p.Parent)
			m.layout(p.Layout)
			for _, l := range p.Defaults {
				m.playlist(l)
			}
		}}
	}),
	central.Displays: kind(rights.Configure, playlist.NewDisplay, func(d playlist.Display) object {
		return object{id: d.ID, owner: d.Place, mini: func(m *mini) {
			m.rows.Displays = append(m.rows.Displays, d)
			m.place(d.Place)
			m.layout(d.Layout)
			for _, l := range d.Defaults {
				m.playlist(l)
			}
		}}
	}),
	central.Layouts: kind(rights.Plan, playlist.NewLayout, func(l playlist.Layout) object {
		return object{id: l.ID, owner: l.Owner, mini: func(m *mini) {
			m.rows.Layouts = append(m.rows.Layouts, l)
			for _, z := range l.Zones {
				m.playlist(z.Source.Playlist)
				m.media(z.Source.Media)
			}
		}}
	}),
	central.Items: kind(rights.Write, playlist.NewItem, func(i playlist.Item) object {
		return object{id: i.ID, owner: i.Owner, name: i.ExternalID, mini: func(m *mini) {
			m.rows.Items = append(m.rows.Items, i)
			m.place(i.Gate)
			m.exists(central.Classes, playlist.ID(i.Class))
		}}
	}),
	central.Facts: kind(rights.Write, playlist.NewGateFact, func(f playlist.GateFact) object {
		return object{id: f.ID, owner: f.Gate, mini: func(m *mini) {
			m.rows.Facts = append(m.rows.Facts, f)
			m.place(f.Gate)
		}}
	}),
	central.Playlists: kind(rights.Plan, playlist.NewPlaylist, func(p playlist.Playlist) object {
		return object{id: p.ID, owner: p.Owner, mini: func(m *mini) {
			m.rows.Playlists = append(m.rows.Playlists, p)
			m.done[p.ID] = true
			m.entries(p)
		}}
	}),
	central.Schedules: kind(rights.Plan, checkSchedule, func(s playlist.Schedule) object {
		return object{id: s.ID, owner: s.Owner, mini: func(m *mini) {
			m.rows.Schedules = append(m.rows.Schedules, s)
			m.playlist(s.Playlist)
			m.layout(s.Layout)
			m.place(append(s.Places, s.Owner)...)
			m.displays(s.Displays)
			for _, e := range s.Except {
				m.calendar(e)
			}
		}}
	}),
	central.Calendars: kind(rights.Plan, checkCalendar, func(c Calendar) object {
		return object{id: c.ID, owner: c.Owner, mini: func(m *mini) { m.place(c.Owner) }}
	}),
	central.Mandatory: kind(rights.Plan, playlist.NewMandatory, func(r playlist.Mandatory) object {
		return object{id: r.ID, owner: r.Owner, mini: func(m *mini) {
			m.rows.Mandatory = append(m.rows.Mandatory, r)
			m.item(r.Item)
			m.place(append(r.Places, r.Owner)...)
		}}
	}),
	central.Notices: kind(rights.Alert, checkNotice, func(n playlist.Notice) object {
		return object{id: n.ID, owner: n.Owner, mini: func(m *mini) {
			m.rows.Notices = append(m.rows.Notices, n)
			m.place(append(n.Places, n.Owner)...)
			m.media(n.Sound)
		}}
	}),
	central.Classes: kind(rights.Administer, workflow.NewClass, func(c workflow.Class) object {
		return object{id: c.ID, mini: func(*mini) {}} // owned by the ministry
	}),
}

// Calendar is a calendar with the place that keeps it.
type Calendar struct {
	playlist.Calendar
	Owner playlist.ID `json:"owner"`
}

func checkCalendar(c Calendar) (Calendar, error) {
	if len(c.Dates) > 5000 {
		return c, &playlist.Error{Code: playlist.CodeInvalid, Where: "calendar " + string(c.ID), Detail: "more than 5000 dates"}
	}
	return c, c.ID.Check("calendar")
}

func checkSchedule(s playlist.Schedule) (playlist.Schedule, error) {
	s, err := playlist.NewSchedule(s)
	if err != nil || s.Starts == "" {
		return s, err
	}
	if err := resolve.CheckRule(s.Starts); err != nil {
		return s, &playlist.Error{Code: playlist.CodeInvalid, Where: "schedule " + string(s.ID) + ": starts", Detail: err.Error()}
	}
	return s, nil
}

func checkNotice(n playlist.Notice) (playlist.Notice, error) {
	n, err := playlist.NewNotice(n)
	if err == nil && len(n.Bodies) == 0 && len(n.Cancels) == 0 {
		err = &playlist.Error{Code: playlist.CodeInvalid, Where: "notice " + string(n.ID), Detail: "it has no text in any language"}
	}
	return n, err
}
