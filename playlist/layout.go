package playlist

// Layer is one of the independent programmes of a display.
type Layer string

// The layers.
const (
	Main   Layer = "main"
	Side   Layer = "side"
	Ticker Layer = "ticker"
	Audio  Layer = "audio"
)

// Layers lists every layer, the main one first.
var Layers = []Layer{Main, Side, Ticker, Audio}

func (l Layer) check(where string) error {
	switch l {
	case Main, Side, Ticker, Audio:
		return nil
	}
	return invalid(where, "layer %.20q is not main, side, ticker or audio", string(l))
}

// SourceKind says what fills a zone.
type SourceKind string

// What can fill a zone.
const (
	FromLayer    SourceKind = "layer"
	FromPlaylist SourceKind = "playlist"
	FromClock    SourceKind = "clock"
	FromLogo     SourceKind = "logo"
	FromGate     SourceKind = "gate" // the gate card of the display's place
)

// Source is what fills a zone: a layer, a fixed playlist, or a built-in.
type Source struct {
	Kind     SourceKind `json:"kind"`
	Layer    Layer      `json:"layer,omitempty"`
	Playlist ID         `json:"playlist,omitempty"`
	Media    Hash       `json:"media,omitempty"` // the logo's picture; empty: the built-in one
}

// Zone is a rectangle of the display, in per mille of its (rotated) size. A
// zone with a higher Z covers those below.
type Zone struct {
	ID     ID     `json:"id"`
	X      int    `json:"x"`
	Y      int    `json:"y"`
	W      int    `json:"w"`
	H      int    `json:"h"`
	Z      int    `json:"z,omitempty"`
	Source Source `json:"source"`
}

// Layout is a set of zones.
type Layout struct {
	ID    ID     `json:"id"`
	Owner ID     `json:"owner,omitempty"`
	Names Names  `json:"names,omitempty"`
	Zones []Zone `json:"zones"`
}

// FullLayout is one zone that shows the main layer: used where a display
// names no layout.
func FullLayout() Layout {
	return Layout{ID: "full", Zones: []Zone{{ID: "main", W: 1000, H: 1000, Source: Source{Kind: FromLayer, Layer: Main}}}}
}

// NewLayout checks l.
func NewLayout(l Layout) (Layout, error) {
	where := "layout " + string(l.ID)
	if err := l.ID.Check(where); err != nil {
		return Layout{}, err
	}
	if len(l.Zones) == 0 || len(l.Zones) > 16 {
		return Layout{}, invalid(where, "%d zones is not between 1 and 16", len(l.Zones))
	}
	seen := map[ID]bool{}
	for _, z := range l.Zones {
		at := where + " zone " + string(z.ID)
		if err := z.ID.Check(at); err != nil {
			return Layout{}, err
		}
		if seen[z.ID] {
			return Layout{}, &Error{Code: CodeDuplicate, Where: at, Detail: "two zones have this id"}
		}
		seen[z.ID] = true
		if err := z.check(at); err != nil {
			return Layout{}, err
		}
	}
	return l, nil
}

func (z Zone) check(where string) error {
	if z.X < 0 || z.Y < 0 || z.W <= 0 || z.H <= 0 || z.X > 1000 || z.Y > 1000 || z.W > 1000-z.X || z.H > 1000-z.Y {
		return invalid(where, "the rectangle %d,%d %d×%d does not lie within 1000×1000", z.X, z.Y, z.W, z.H)
	}
	if z.Z < -100 || z.Z > 100 {
		return invalid(where, "z %d is not between -100 and 100", z.Z)
	}
	switch z.Source.Kind {
	case FromLayer:
		return z.Source.Layer.check(where)
	case FromPlaylist:
		return z.Source.Playlist.Check(where)
	case FromClock, FromLogo, FromGate:
		return nil
	}
	return invalid(where, "source kind %.20q is not layer, playlist, clock, logo or gate", z.Source.Kind)
}
