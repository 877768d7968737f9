package playlist

import (
	"strings"
	"time"
)

// Schedule says when a playlist plays on a layer. Exactly one of Starts, At
// and Always is given. See the contract, "Places, displays, schedules".
type Schedule struct {
	ID        ID               `json:"id"`
	Owner     ID               `json:"owner,omitempty"`
	Playlist  ID               `json:"playlist"`
	Layer     Layer            `json:"layer,omitempty"`
	Layout    ID               `json:"layout,omitempty"`
	Starts    string           `json:"starts,omitempty"` // cron, five fields
	At        OneOrMany[Local] `json:"at,omitempty"`
	Always    bool             `json:"always,omitempty"`
	Lasts     Duration         `json:"lasts,omitempty"`
	From      Date             `json:"from,omitzero"`
	Until     Date             `json:"until,omitzero"`
	Except    []string         `json:"except,omitempty"` // dates, or cal:NAME
	Priority  int              `json:"priority"`
	Places    []ID             `json:"places,omitempty"`
	Displays  []ID             `json:"displays,omitempty"`
	Languages []Language       `json:"languages,omitempty"`
}

// NewSchedule checks s and fills in its defaults. The cron rule itself is
// checked by resolve.Compile, which knows the rules of cron.
func NewSchedule(s Schedule) (Schedule, error) {
	where := "schedule " + string(s.ID)
	if err := s.ID.Check(where); err != nil {
		return Schedule{}, err
	}
	if s.Layer == "" {
		s.Layer = Main
	}
	if err := s.Layer.check(where); err != nil {
		return Schedule{}, err
	}
	if s.Layout != "" && s.Layer != Main {
		return Schedule{}, invalid(where, "only a schedule of the main layer may choose a layout")
	}
	ways := 0
	for _, given := range []bool{s.Starts != "", len(s.At) > 0, s.Always} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return Schedule{}, invalid(where, "exactly one of starts, at and always must be given")
	}
	if s.Always {
		if s.Lasts != 0 {
			return Schedule{}, invalid(where, "always has no window, so lasts has no meaning with it")
		}
	} else if err := checkSpan(where+": lasts", s.Lasts, MaxOccurrence); err != nil {
		return Schedule{}, err
	}
	if len(s.At) > 1000 || len(s.Except) > 2000 {
		return Schedule{}, invalid(where, "more than 1000 dates in at, or 2000 in except")
	}
	if !s.From.IsZero() && !s.Until.IsZero() && s.Until.Compare(s.From) < 0 {
		return Schedule{}, invalid(where, "until is before from")
	}
	if s.Priority < 0 || s.Priority > 100 {
		return Schedule{}, invalid(where, "priority %d is not between 0 and 100", s.Priority)
	}
	for _, e := range s.Except {
		if name, ok := strings.CutPrefix(e, "cal:"); ok {
			if err := ID(name).Check(where + ": except"); err != nil {
				return Schedule{}, err
			}
		} else if _, err := NewDate(e); err != nil {
			return Schedule{}, invalid(where, "except: %v", err)
		}
	}
	return s, nil
}

// Calendar is a named set of dates, such as the days of Tết.
type Calendar struct {
	ID    ID     `json:"id"`
	Names Names  `json:"names,omitempty"`
	Dates []Date `json:"dates"`
}

// Mandatory is an item that a higher place weaves into every main programme
// of its places, once Every of uncovered main time has passed.
type Mandatory struct {
	ID     ID       `json:"id,omitempty"` // default: the item's
	Owner  ID       `json:"owner,omitempty"`
	Item   ID       `json:"item"`
	Every  Duration `json:"every"`
	Places []ID     `json:"places,omitempty"`
}

// NewMandatory checks m.
func NewMandatory(m Mandatory) (Mandatory, error) {
	if m.ID == "" {
		m.ID = m.Item
	}
	where := "mandatory " + string(m.ID)
	if err := m.ID.Check(where); err != nil {
		return Mandatory{}, err
	}
	if m.Every.Std() < time.Minute || m.Every.Std() > MaxOccurrence {
		return Mandatory{}, invalid(where, "every %v is not between 1m and 168h", m.Every.Std())
	}
	return m, nil
}

// Severity orders notices.
type Severity string

// The severities, the gravest first.
const (
	Extreme  Severity = "extreme"
	Severe   Severity = "severe"
	Moderate Severity = "moderate"
)

// Rank is 3 for extreme, 2 for severe, 1 for moderate, else 0.
func (s Severity) Rank() int {
	switch s {
	case Extreme:
		return 3
	case Severe:
		return 2
	case Moderate:
		return 1
	}
	return 0
}

// Body is the text of a notice in one language.
type Body struct {
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
}

// UnmarshalJSON reads a body, or a plain string that is its title.
func (b *Body) UnmarshalJSON(raw []byte) error {
	type plain Body
	if len(raw) > 0 && raw[0] == '"' {
		return unmarshalStrict(raw, &b.Title)
	}
	return unmarshalStrict(raw, (*plain)(b))
}

// NoticePrefix stands before a notice's id where a schedule's id would be: what plays, and
// why it was shown.
const NoticePrefix = "notice:"

// StandIn is the display of a machine that has none of its own: it shows its place's
// notices there.
const StandIn ID = "screen"

// Notice is an emergency message: it covers every layer and ends by itself.
type Notice struct {
	ID       ID                `json:"id"`
	Owner    ID                `json:"owner,omitempty"`
	Severity Severity          `json:"severity"`
	Places   []ID              `json:"places,omitempty"`
	Starts   time.Time         `json:"starts"`
	Ends     time.Time         `json:"ends"`
	Bodies   map[Language]Body `json:"bodies,omitempty"`
	Sound    Hash              `json:"sound,omitempty"`
	Cancels  OneOrMany[ID]     `json:"cancels,omitempty"`
}

// NewNotice checks n. Bodies may be empty here: a vector needs none; a
// catalogue does.
func NewNotice(n Notice) (Notice, error) {
	where := "notice " + string(n.ID)
	if err := n.ID.Check(where); err != nil {
		return Notice{}, err
	}
	if n.Severity.Rank() == 0 {
		return Notice{}, invalid(where, "severity %.20q is not extreme, severe or moderate", n.Severity)
	}
	if !n.Starts.Before(n.Ends) {
		return Notice{}, invalid(where, "it does not start before it ends")
	}
	if n.Ends.Sub(n.Starts) > MaxNotice {
		return Notice{}, invalid(where, "it lasts longer than %v", MaxNotice)
	}
	for l, b := range n.Bodies {
		if err := checkText(where+" "+string(l), b.Title+b.Text, 20*MaxTitleLen); err != nil {
			return Notice{}, err
		}
	}
	for _, c := range n.Cancels {
		if c == n.ID {
			return Notice{}, invalid(where, "it cancels itself")
		}
	}
	return n, nil
}
