package playlist

import "time"

// ProgrammeFormat is the version of the programme document.
const ProgrammeFormat = 1

// Programme is what one display must show until ValidUntil: everything that
// a stage needs, so that it knows no database, no network and no schedule.
type Programme struct {
	Format     int              `json:"format"`
	Sequence   uint64           `json:"sequence"`
	Display    ProgrammeDisplay `json:"display"`
	Place      ProgrammePlace   `json:"place"`
	Clock      ProgrammeClock   `json:"clock"`
	Unenrolled bool             `json:"unenrolled,omitempty"` // draws a small mark that says so
	NoDisplay  bool             `json:"no_display,omitempty"` // says so: the machine has no display of its own
	Touch      bool             `json:"touch,omitempty"`      // invites to touch: the library comes up
	Pairing    *Pairing         `json:"pairing,omitempty"`    // drawn while staff confirm the machine
	Zones      []ProgrammeZone  `json:"zones"`
	Mandatory  []ProgrammeMust  `json:"mandatory,omitempty"`
	Positions  map[ID]Position  `json:"positions,omitempty"` // by playlist
	Notice     *ProgrammeNotice `json:"notice,omitempty"`
	ValidUntil *time.Time       `json:"valid_until,omitempty"` // nil: until further notice
	Default    *Programme       `json:"default,omitempty"`
}

// Pairing is what a machine shows that asks to be enrolled: a code that staff type
// into the hub, and eight words that both screens must show.
type Pairing struct {
	Code  string   `json:"code"`
	Words []string `json:"words"`
}

// ProgrammeDisplay is the display as its machine drives it.
type ProgrammeDisplay struct {
	ID       ID  `json:"id"`
	Width    int `json:"width"`
	Height   int `json:"height"`
	Rotation int `json:"rotation,omitempty"`
}

// Canvas returns the picture's size before it is turned by Rotation.
func (d ProgrammeDisplay) Canvas() (w, h int) {
	if d.Rotation == 90 || d.Rotation == 270 {
		return d.Height, d.Width
	}
	return d.Width, d.Height
}

// ProgrammePlace is the display's place, its inherited values filled in.
type ProgrammePlace struct {
	ID        ID         `json:"id"`
	Names     Names      `json:"names"`
	Languages []Language `json:"languages"`
	Zone      string     `json:"zone"`
	Neighbour *Neighbour `json:"neighbour,omitempty"`
	Sample    bool       `json:"sample,omitempty"`
}

// ProgrammeClock tells the stage how to tell the time. Offset is added to the
// machine's wall clock. Not trusted: no clock and no open/closed are shown.
type ProgrammeClock struct {
	Trusted bool     `json:"trusted"`
	Offset  Duration `json:"offset,omitempty"`
}

// ProgrammeZone is one zone and what plays in it.
type ProgrammeZone struct {
	Zone
	Schedule ID               `json:"schedule,omitempty"` // empty: the default playlist
	Playlist ID               `json:"playlist,omitempty"`
	Edition  string           `json:"edition,omitempty"`
	Turns    Turns            `json:"turns,omitempty"`
	Allowed  []Language       `json:"allowed,omitempty"` // empty: all
	Entries  []ProgrammeEntry `json:"entries,omitempty"`
	Gate     *GateCard        `json:"gate,omitempty"`
	Logo     string           `json:"logo,omitempty"` // path of the logo's picture
}

// ProgrammeEntry is one item with all of its versions that may be shown.
type ProgrammeEntry struct {
	ID         ID                 `json:"id"` // position in the playlist and item: "3:item"
	Item       ID                 `json:"item"`
	Kind       ItemKind           `json:"kind"`
	Duration   Duration           `json:"duration,omitempty"`
	Fit        Fit                `json:"fit,omitempty"`
	Transition Transition         `json:"transition,omitzero"`
	Source     string             `json:"source,omitempty"`
	Date       *time.Time         `json:"date,omitempty"`
	ValidUntil *time.Time         `json:"valid_until,omitempty"`
	Versions   []ProgrammeVersion `json:"versions"`
	Gate       *GateCard          `json:"gate,omitempty"`
}

// ProgrammeVersion is a version with the paths of its files on this machine.
type ProgrammeVersion struct {
	Version  ID              `json:"version"`
	Language Language        `json:"language"`
	Title    string          `json:"title,omitempty"`
	Text     string          `json:"text,omitempty"` // with line-break marks
	Media    []ProgrammeFile `json:"media,omitempty"`
	Captions []ProgrammeFile `json:"captions,omitempty"`
	Sounds   []ProgrammeFile `json:"sound_tracks,omitempty"`
}

// ProgrammeFile is a verified file.
type ProgrammeFile struct {
	Path     string   `json:"path"`
	SHA256   Hash     `json:"sha256"`
	Type     string   `json:"type"`
	Language Language `json:"language,omitempty"`
}

// GateCard is what a gate card is drawn from.
type GateCard struct {
	Place     ID         `json:"place"`
	Names     Names      `json:"names"`
	Class     string     `json:"class,omitempty"`
	Zone      string     `json:"zone"`
	Neighbour *Neighbour `json:"neighbour,omitempty"`
	Province  Names      `json:"province,omitempty"`
	Facts     []GateFact `json:"facts,omitempty"`
	Sample    bool       `json:"sample,omitempty"`
}

// ProgrammeMust is a mandatory item with the time left until it is due.
// DueIn may be negative: it is overdue by so much.
type ProgrammeMust struct {
	ID    ID             `json:"id"`
	Entry ProgrammeEntry `json:"entry"`
	Every Duration       `json:"every"`
	DueIn int64          `json:"due_in_ms"`
}

// ProgrammeNotice is the notice that covers every zone.
type ProgrammeNotice struct {
	Notice
	SoundFile *ProgrammeFile `json:"sound_file,omitempty"`
	Remaining Duration       `json:"remaining,omitempty"` // used while the clock is not trusted
}

// Position is where a playlist stood when it last left a display. Entry is
// the next entry to show, Round the number of finished rounds, Turn the
// language turn within an entry (each).
type Position struct {
	Entry ID  `json:"entry,omitempty"`
	Index int `json:"index"`
	Round int `json:"round"`
	Turn  int `json:"turn,omitempty"`
}

// DecodeProgramme reads a programme document and refuses what a stage could
// not draw at all. Entries are not refused here: the stage skips and reports
// the bad ones and plays the rest.
func DecodeProgramme(raw []byte) (*Programme, error) {
	var p Programme
	if err := unmarshalStrict(raw, &p); err != nil {
		return nil, invalid("programme", "%v", err)
	}
	return &p, p.Check()
}

// Check refuses a programme that a stage could not draw at all.
func (p *Programme) Check() error {
	if p.Format != ProgrammeFormat {
		return invalid("programme", "format %d is not %d", p.Format, ProgrammeFormat)
	}
	d := Display{ID: p.Display.ID, Width: p.Display.Width, Height: p.Display.Height, Rotation: p.Display.Rotation}
	if _, err := NewDisplay(d); err != nil {
		return err
	}
	if len(p.Zones) == 0 || len(p.Zones) > 16 {
		return invalid("programme", "%d zones is not between 1 and 16", len(p.Zones))
	}
	if err := checkZone("programme place", p.Place.Zone); err != nil {
		return err
	}
	for _, z := range p.Zones {
		if err := z.check("programme zone " + string(z.ID)); err != nil {
			return err
		}
		if len(z.Entries) > MaxListEntries {
			return invalid("programme zone "+string(z.ID), "more than %d entries", MaxListEntries)
		}
	}
	if p.Default != nil {
		if p.Default.Default != nil {
			return invalid("programme", "the default programme has a default of its own")
		}
		return p.Default.Check()
	}
	return nil
}
