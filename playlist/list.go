package playlist

import "time"

// Turns says how the language versions of a playlist's items take turns.
type Turns string

// The ways of taking turns; see the contract, "Items and languages".
const (
	Rotate   Turns = "rotate"   // each round of the list in the next language
	Each     Turns = "each"     // every item in all its languages, one after another
	Together Turns = "together" // languages side by side
)

// Fit says how a picture fills its zone.
type Fit string

// The ways to fill a zone.
const (
	Contain Fit = "contain" // whole picture, bars of the background
	Cover   Fit = "cover"   // whole zone, edges cut
	Blur    Fit = "blur"    // whole picture over a blurred copy of itself
)

// TransitionKind says how an entry replaces the one before it.
type TransitionKind string

// The transitions.
const (
	Cut       TransitionKind = "cut"
	Crossfade TransitionKind = "crossfade"
	Slide     TransitionKind = "slide"
)

// MaxTransition bounds a transition.
const MaxTransition = 5 * time.Second

// Transition is how an entry comes in. Lasts is ignored for a cut and
// defaults to 600 ms for the others.
type Transition struct {
	Kind  TransitionKind `json:"kind"`
	Lasts Duration       `json:"lasts,omitempty"`
}

func (t Transition) checked(where string) (Transition, error) {
	switch t.Kind {
	case "", Cut:
		return Transition{Kind: Cut}, nil
	case Crossfade, Slide:
		if t.Lasts == 0 {
			t.Lasts = Duration(600 * time.Millisecond)
		}
		return t, checkSpan(where+" transition", t.Lasts, MaxTransition)
	}
	return t, invalid(where, "transition %.20q is not cut, crossfade or slide", t.Kind)
}

// Entry is a line of a playlist: an item or another playlist. Duration limits
// the showing; zero means the media's own length, or the reading time.
type Entry struct {
	Item       ID         `json:"item,omitempty"`
	Playlist   ID         `json:"playlist,omitempty"`
	Duration   Duration   `json:"duration,omitempty"`
	Fit        Fit        `json:"fit,omitempty"`
	Transition Transition `json:"transition,omitzero"`
}

// Playlist is an ordered list of entries.
type Playlist struct {
	ID      ID      `json:"id"`
	Owner   ID      `json:"owner,omitempty"`
	Names   Names   `json:"names,omitempty"`
	Turns   Turns   `json:"turns,omitempty"`
	Entries []Entry `json:"entries"`
}

// NewPlaylist checks p and fills in its defaults.
func NewPlaylist(p Playlist) (Playlist, error) {
	where := "playlist " + string(p.ID)
	if err := p.ID.Check(where); err != nil {
		return Playlist{}, err
	}
	switch p.Turns {
	case "":
		p.Turns = Rotate
	case Rotate, Each, Together:
	default:
		return Playlist{}, invalid(where, "turns %.20q is not rotate, each or together", p.Turns)
	}
	if len(p.Entries) > MaxListEntries {
		return Playlist{}, invalid(where, "more than %d entries", MaxListEntries)
	}
	entries := make([]Entry, len(p.Entries))
	for n, e := range p.Entries {
		if (e.Item == "") == (e.Playlist == "") {
			return Playlist{}, invalid(where, "entry %d does not name exactly one of item and playlist", n+1)
		}
		if e.Duration != 0 {
			if err := checkSpan(where, e.Duration, MaxItemLength); err != nil {
				return Playlist{}, err
			}
		}
		switch e.Fit {
		case "":
			e.Fit = Contain
		case Contain, Cover, Blur:
		default:
			return Playlist{}, invalid(where, "fit %.20q is not contain, cover or blur", e.Fit)
		}
		var err error
		if e.Transition, err = e.Transition.checked(where); err != nil {
			return Playlist{}, err
		}
		entries[n] = e
	}
	p.Entries = entries
	return p, nil
}
