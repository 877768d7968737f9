package playlist

import (
	"slices"
	"time"
)

// FactKind says what a gate fact is about.
type FactKind string

// The kinds of gate fact.
const (
	FactHours     FactKind = "hours"
	FactPapers    FactKind = "papers"
	FactEVisa     FactKind = "e-visa"
	FactFee       FactKind = "fee"
	FactForbidden FactKind = "forbidden"
	FactHotline   FactKind = "hotline"
	FactNotice    FactKind = "notice"
)

// DayHours is an opening span on some weekdays, in the side's own zone.
type DayHours struct {
	Days  []Weekday `json:"days,omitempty"`
	Open  ClockTime `json:"open"`
	Close ClockTime `json:"close"`
}

// HoursException replaces the weekly hours on one date.
type HoursException struct {
	Date   Date       `json:"date"`
	Hours  []DayHours `json:"hours,omitempty"` // none: closed all day
	Reason Names      `json:"reason,omitempty"`
}

// SideHours are the hours of one side of the gate, in that side's zone.
type SideHours struct {
	Side       string           `json:"side"` // "vietnam" or "neighbour"
	Zone       string           `json:"zone"`
	Weekly     []DayHours       `json:"weekly"`
	Exceptions []HoursException `json:"exceptions,omitempty"`
}

// GateFact is one thing known about a gate. What is not known has no fact:
// the screen then says "ask at the counter".
type GateFact struct {
	ID         ID          `json:"id"`
	Gate       ID          `json:"gate"`
	Kind       FactKind    `json:"kind"`
	Traveller  string      `json:"traveller,omitempty"` // kind of traveller; empty: everyone
	Value      Names       `json:"value,omitempty"`
	Hours      []SideHours `json:"hours,omitempty"`
	Source     string      `json:"source"`
	CheckedOn  Date        `json:"checked_on"`
	ReviewBy   Date        `json:"review_by"`
	ValidFrom  *time.Time  `json:"valid_from,omitempty"`
	ValidUntil *time.Time  `json:"valid_until,omitempty"`
}

// NewGateFact checks f.
func NewGateFact(f GateFact) (GateFact, error) {
	where := "gate fact " + string(f.ID)
	if err := f.ID.Check(where); err != nil {
		return GateFact{}, err
	}
	switch f.Kind {
	case FactHours:
		if len(f.Hours) == 0 {
			return GateFact{}, invalid(where, "a fact of kind hours has no hours")
		}
	case FactPapers, FactEVisa, FactFee, FactForbidden, FactHotline, FactNotice:
	default:
		return GateFact{}, invalid(where, "kind %.20q is not known", f.Kind)
	}
	if f.Source == "" {
		return GateFact{}, invalid(where, "it names no source")
	}
	if err := f.Value.check(where); err != nil {
		return GateFact{}, err
	}
	for _, s := range f.Hours {
		if s.Zone == "" {
			return GateFact{}, invalid(where, "hours without a time zone")
		}
		if err := checkZone(where, s.Zone); err != nil {
			return GateFact{}, err
		}
	}
	return f, nil
}

// ValidAt says whether t lies in the fact's half-open validity.
func (f GateFact) ValidAt(t time.Time) bool {
	return (f.ValidFrom == nil || !t.Before(*f.ValidFrom)) && (f.ValidUntil == nil || t.Before(*f.ValidUntil))
}

// Stale says whether the fact should have been reviewed before t, which is
// given in the gate's own zone.
func (f GateFact) Stale(t time.Time) bool {
	return !f.ReviewBy.IsZero() && DateOf(t).Compare(f.ReviewBy) > 0
}

// OpenAt says whether this side is open at t, and when that changes next
// (within eight days; zero if it does not).
func (s SideHours) OpenAt(t time.Time) (open bool, next time.Time) {
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		return false, time.Time{}
	}
	t = t.In(loc)
	open = s.open(t)
	for _, u := range s.edges(t) {
		if u.After(t) && s.open(u) != open {
			return open, u
		}
	}
	return open, time.Time{}
}

// edges lists in order the instants, from the day before t to eight days after,
// at which the side may open or close.
func (s SideHours) edges(t time.Time) []time.Time {
	var edges []time.Time
	for n := -1; n <= 8; n++ {
		add := func(minutes ClockTime) {
			edges = append(edges, time.Date(t.Year(), t.Month(), t.Day()+n, 0, int(minutes), 0, 0, t.Location()))
		}
		for _, h := range s.on(time.Date(t.Year(), t.Month(), t.Day()+n, 12, 0, 0, 0, t.Location())) {
			end := h.Close
			if end <= h.Open {
				end += 24 * 60
			}
			add(h.Open)
			add(end)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	return edges
}

func (s SideHours) open(t time.Time) bool {
	for back := range 2 { // today's hours, and yesterday's that run past midnight
		day := t.AddDate(0, 0, -back)
		minute := ClockTime(t.Hour()*60+t.Minute()) + ClockTime(back*24*60)
		for _, h := range s.on(day) {
			end := h.Close
			if end <= h.Open {
				end += 24 * 60
			}
			if h.Open <= minute && minute < end {
				return true
			}
		}
	}
	return false
}

func (s SideHours) on(day time.Time) []DayHours {
	for _, e := range s.Exceptions {
		if e.Date == DateOf(day) {
			return e.Hours
		}
	}
	var hours []DayHours
	for _, h := range s.Weekly {
		if (Daypart{Days: h.Days}).on(day.Weekday()) {
			hours = append(hours, h)
		}
	}
	return hours
}

// OpenAt says whether the gate as a whole is open (every side is), and when
// that changes next. known is false if the fact holds no hours.
func (f GateFact) OpenAt(t time.Time) (open, known bool, next time.Time) {
	open = len(f.Hours) > 0
	for _, s := range f.Hours {
		o, _ := s.OpenAt(t)
		open = open && o
	}
	// Step from change to change of any side until the whole changes.
	at := t
	for range 64 {
		var soonest time.Time
		for _, s := range f.Hours {
			if _, n := s.OpenAt(at); !n.IsZero() && (soonest.IsZero() || n.Before(soonest)) {
				soonest = n
			}
		}
		if soonest.IsZero() {
			break
		}
		all := true
		for _, s := range f.Hours {
			o, _ := s.OpenAt(soonest)
			all = all && o
		}
		if all != open {
			return open, len(f.Hours) > 0, soonest
		}
		at = soonest
	}
	return open, len(f.Hours) > 0, time.Time{}
}
