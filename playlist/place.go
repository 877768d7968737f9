package playlist

import "time"

// PlaceKind is a level of the tree of places.
type PlaceKind string

// The kinds of place.
const (
	Ministry PlaceKind = "ministry"
	Province PlaceKind = "province"
	Commune  PlaceKind = "commune"
	Post     PlaceKind = "post"
	Gate     PlaceKind = "gate"
	Other    PlaceKind = "other"
)

// Ceiling is the highest priority that a schedule of an owner of this level
// may have: 100 for the ministry, 89 for a province, 69 below.
func (k PlaceKind) Ceiling() int {
	switch k {
	case Ministry:
		return 100
	case Province:
		return 89
	default:
		return 69
	}
}

// Coordinates are WGS 84 degrees.
type Coordinates struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Neighbour is the country across the border at a gate. Zone is its IANA time
// zone; Gate names the opposite gate, as far as it is known.
type Neighbour struct {
	Country string `json:"country"` // ISO 3166-1 alpha-2: CN, LA, KH
	Zone    string `json:"zone"`
	Names   Names  `json:"names,omitempty"`
	Gate    Names  `json:"gate,omitempty"`
}

// PlaceChange is one row of a place's history: a merger, a new name or class.
type PlaceChange struct {
	On     Date   `json:"on"`
	What   string `json:"what"`
	Source string `json:"source,omitempty"`
}

// Place is a node of the one tree: ministry, province, commune, post, gate.
// Empty Zone, Languages, Layout and Defaults are inherited from the nearest
// ancestor that has them.
type Place struct {
	ID          ID            `json:"id"`
	Parent      ID            `json:"parent,omitempty"`
	Kind        PlaceKind     `json:"kind"`
	Names       Names         `json:"names"`
	GateClass   string        `json:"gate_class,omitempty"` // international, main, secondary, other; empty: unknown
	Neighbour   *Neighbour    `json:"neighbour,omitempty"`
	Zone        string        `json:"zone,omitempty"`
	Languages   []Language    `json:"languages,omitempty"`
	Coordinates *Coordinates  `json:"coordinates,omitempty"`
	History     []PlaceChange `json:"history,omitempty"`
	Layout      ID            `json:"layout,omitempty"`
	Defaults    map[Layer]ID  `json:"default_playlists,omitempty"`
	Sample      bool          `json:"sample,omitempty"` // fictitious, marked so on the screen
}

// NewPlace checks p.
func NewPlace(p Place) (Place, error) {
	where := "place " + string(p.ID)
	if err := p.ID.Check(where); err != nil {
		return Place{}, err
	}
	switch p.Kind {
	case Ministry, Province, Commune, Post, Gate, Other:
	default:
		return Place{}, invalid(where, "kind %.20q is not ministry, province, commune, post, gate or other", p.Kind)
	}
	switch p.GateClass {
	case "", "international", "main", "secondary", "other":
	default:
		return Place{}, invalid(where, "gate_class %.20q is not international, main, secondary or other", p.GateClass)
	}
	if len(p.Names) == 0 {
		return Place{}, invalid(where, "it has no name")
	}
	if err := p.Names.check(where); err != nil {
		return Place{}, err
	}
	if err := checkZone(where, p.Zone); err != nil {
		return Place{}, err
	}
	if len(p.Languages) > 32 {
		return Place{}, invalid(where, "more than 32 languages")
	}
	if n := p.Neighbour; n != nil {
		if err := checkZone(where+" neighbour", n.Zone); err != nil {
			return Place{}, err
		}
		if len(n.Country) != 2 {
			return Place{}, invalid(where, "neighbour country %.10q is not a two-letter code", n.Country)
		}
	}
	if c := p.Coordinates; c != nil && (c.Lat < -90 || c.Lat > 90 || c.Lon < -180 || c.Lon > 180) {
		return Place{}, invalid(where, "coordinates out of range")
	}
	return p, nil
}

func checkZone(where, zone string) error {
	if zone == "" {
		return nil
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return invalid(where, "time zone %.40q is not known", zone)
	}
	return nil
}

// Role says what a display is for.
type Role string

// The roles of a display.
const (
	RoleStage Role = "stage"
	RoleTouch Role = "touch"
	RoleBoth  Role = "both"
)

// Daypart is a span of each local day, on the given weekdays (empty: all).
// To may be earlier than From: then it ends on the next day.
type Daypart struct {
	Days  []Weekday `json:"days,omitempty"`
	From  ClockTime `json:"from"`
	To    ClockTime `json:"to"`
	Level int       `json:"level,omitempty"` // for sound: volume in per cent
}

// Covers says whether the daypart holds at wall time t (in t's own zone).
func (d Daypart) Covers(t time.Time) bool {
	minute := ClockTime(t.Hour()*60 + t.Minute())
	if d.From < d.To {
		return d.on(t.Weekday()) && d.From <= minute && minute < d.To
	}
	return d.on(t.Weekday()) && minute >= d.From || d.on((t.Weekday()+6)%7) && minute < d.To
}

func (d Daypart) on(day time.Weekday) bool {
	if len(d.Days) == 0 {
		return true
	}
	for _, x := range d.Days {
		if time.Weekday(x) == day {
			return true
		}
	}
	return false
}

// Sound is a display's volume by daypart. Volume is used where no daypart
// covers the instant; Silent wins over both. Levels are per cent, 0 to 100.
type Sound struct {
	Volume   int       `json:"volume"`
	Dayparts []Daypart `json:"dayparts,omitempty"`
	Silent   []Daypart `json:"silent,omitempty"`
}

// LevelAt returns the volume, 0 to 100, at wall time t.
func (s Sound) LevelAt(t time.Time) int {
	for _, d := range s.Silent {
		if d.Covers(t) {
			return 0
		}
	}
	for _, d := range s.Dayparts {
		if d.Covers(t) {
			return d.Level
		}
	}
	return s.Volume
}

// Display is one screen of a place.
type Display struct {
	ID           ID           `json:"id"`
	Place        ID           `json:"place"`
	Width        int          `json:"width"`  // pixels, as the machine drives it
	Height       int          `json:"height"` // pixels
	WidthMM      int          `json:"width_mm,omitempty"`
	HeightMM     int          `json:"height_mm,omitempty"`
	Rotation     int          `json:"rotation,omitempty"` // degrees clockwise that the picture is turned: 0, 90, 180, 270
	Layout       ID           `json:"layout,omitempty"`
	Role         Role         `json:"role,omitempty"`
	Defaults     map[Layer]ID `json:"default_playlists,omitempty"`
	Sound        Sound        `json:"sound"`
	OnHours      []Daypart    `json:"on_hours,omitempty"` // empty: always on
	MountedLowMM int          `json:"mounted_low_mm,omitempty"`
	QuotaMB      int          `json:"quota_mb,omitempty"` // MB of files that its machine may keep; 0: not known
}

// NewDisplay checks d.
func NewDisplay(d Display) (Display, error) {
	where := "display " + string(d.ID)
	if err := d.ID.Check(where); err != nil {
		return Display{}, err
	}
	if d.Width < 16 || d.Height < 16 || d.Width > MaxPixels || d.Height > MaxPixels {
		return Display{}, invalid(where, "%d×%d pixels is not between 16 and %d each", d.Width, d.Height, MaxPixels)
	}
	switch d.Rotation {
	case 0, 90, 180, 270:
	default:
		return Display{}, invalid(where, "rotation %d is not 0, 90, 180 or 270", d.Rotation)
	}
	switch d.Role {
	case "":
		d.Role = RoleStage
	case RoleStage, RoleTouch, RoleBoth:
	default:
		return Display{}, invalid(where, "role %.20q is not stage, touch or both", d.Role)
	}
	for l := range d.Defaults {
		if err := l.check(where); err != nil {
			return Display{}, err
		}
	}
	if d.QuotaMB < 0 || d.QuotaMB > 100<<20 {
		return Display{}, invalid(where, "quota_mb %d is not between 0 and 100 TB", d.QuotaMB)
	}
	if d.Sound.Volume < 0 || d.Sound.Volume > 100 {
		return Display{}, invalid(where, "volume %d is not between 0 and 100", d.Sound.Volume)
	}
	for _, p := range d.Sound.Dayparts {
		if p.Level < 0 || p.Level > 100 {
			return Display{}, invalid(where, "volume %d is not between 0 and 100", p.Level)
		}
	}
	return d, nil
}
