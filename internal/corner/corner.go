// Package corner is what a kiosk and the staff's page on its screen say to each other.
// The kiosk decides: the page shows what it is told and asks for what staff want.
package corner

import (
	"errors"
	"strings"
	"time"
)

// What staff ask for.
const (
	Look    = "look"   // how the machine stands; before the PIN only whether it is asked for
	Enter   = "enter"  // PIN
	Leave   = "leave"  // nobody of the staff is there any more
	Volume  = "volume" // Level: 0 to 100, part of what the place sets
	Clock   = "clock"  // what the clock shows is right
	Import  = "import" // Path: one of the sticks that were named
	MinPIN  = 6        // digits
	MaxPIN  = 12       // digits
	Tries   = 5        // before a lock
	LockFor = 15 * time.Minute
)

// ErrPIN tells that a PIN is not of 6 to 12 digits, or too plain.
var ErrPIN = errors.New("a PIN has 6 to 12 digits, not all alike and not in a row")

// CheckPIN says whether a PIN may open the staff's page.
func CheckPIN(pin string) error {
	if len(pin) < MinPIN || len(pin) > MaxPIN || strings.Trim(pin, "0123456789") != "" || plain(pin) {
		return ErrPIN
	}
	return nil
}

// plain says whether every digit follows from the one before by one step: 111111, 123456.
func plain(pin string) bool {
	step := int(pin[1]) - int(pin[0])
	if step < -1 || step > 1 {
		return false
	}
	for i := 2; i < len(pin); i++ {
		if int(pin[i])-int(pin[i-1]) != step {
			return false
		}
	}
	return true
}

// Order is what staff ask for.
type Order struct {
	Do    string `json:"do"`
	PIN   string `json:"pin,omitempty"`
	Level int    `json:"level,omitempty"`
	Path  string `json:"path,omitempty"`
}

// State is what the page is told.
type State struct {
	Set   bool  `json:"set"`            // the machine has a PIN: without one nobody comes in
	Open  bool  `json:"open"`           // the PIN was right
	Left  int   `json:"left"`           // tries before it locks
	Wait  int   `json:"wait,omitempty"` // seconds for which it is locked
	Wrong bool  `json:"wrong,omitempty"`
	Page  *Page `json:"page,omitempty"` // only where Open
}

// Page is how the machine stands.
type Page struct {
	Now      time.Time `json:"now"` // in the place's zone
	Zone     string    `json:"zone"`
	Trusted  bool      `json:"trusted"`
	Why      string    `json:"why"` // of the clock's trust: device.ClockState
	Device   string    `json:"device,omitempty"`
	Place    string    `json:"place,omitempty"`
	Edition  string    `json:"edition"`
	Hub      string    `json:"hub,omitempty"` // none: the machine belongs to no hub
	Online   bool      `json:"online"`
	HubAge   int       `json:"hub_age"` // seconds since the hub was heard
	Synced   time.Time `json:"synced,omitzero"`
	Failed   string    `json:"failed,omitempty"` // why the last round did not end
	Outbox   int64     `json:"outbox"`           // rows that the hub lacks
	Files    int       `json:"files"`
	Lacking  int       `json:"lacking"` // wanted and not yet here
	Damaged  int       `json:"damaged"`
	Layers   []Layer   `json:"layers,omitempty"`
	Volume   int       `json:"volume"`
	Heard    int       `json:"heard"` // per cent, with the place's own and its hours
	Sticks   []string  `json:"sticks,omitempty"`
	Taking   *Taking   `json:"taking,omitempty"` // import that goes on, or ended last
	Problems []string  `json:"problems,omitempty"`
}

// Layer is what plays on a layer of the display, and why.
type Layer struct {
	Layer    string     `json:"layer"`
	Winner   string     `json:"winner"` // schedule, notice:ID or default
	Playlist string     `json:"playlist,omitempty"`
	Shown    string     `json:"shown,omitempty"` // title of what is on now
	Since    *time.Time `json:"since,omitempty"`
	Next     *time.Time `json:"next,omitempty"`
	Losers   []Loser    `json:"losers,omitempty"`
}

// Loser is a schedule that does not play, by a rule of playlist/resolve.
type Loser struct {
	ID   string `json:"id"`
	Rule string `json:"rule"`
	By   string `json:"by,omitempty"`
}

// Taking is how far an import is.
type Taking struct {
	Path    string `json:"path"`
	Done    int    `json:"done"`
	Total   int    `json:"total"`
	Ended   bool   `json:"ended"`
	Edition string `json:"edition,omitempty"` // that plays after it
	Failed  string `json:"failed,omitempty"`
}
