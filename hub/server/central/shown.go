package central

import (
	"time"

	"cotmoc/playlist"
)

// Shown is a time during which a notice was on a screen without a break, as a machine has
// proved it. What is not listed may have been shown as well: its machine has not reported
// yet, or it is on still.
type Shown struct {
	Device  string      `json:"device"`
	Display playlist.ID `json:"display"`
	From    time.Time   `json:"from" doc:"when it came on, by the machine's clock"`
	Until   time.Time   `json:"until" doc:"when it left the screen, or until when it is proved, by the machine's clock"`
	Seconds float64     `json:"seconds" doc:"how long it was seen"`
	Trusted bool        `json:"trusted" doc:"whether the machine's clock could be believed all the time"`
	Told    time.Time   `json:"told" doc:"when the last proof of it came to the hub"`
}

// sameShowing is how far two pieces of one showing are apart at most.
const sameShowing = 2 * time.Second

// Follows says whether a piece of proof goes on where this ends.
func (s *Shown) Follows(from time.Time) bool { return from.Sub(s.Until).Abs() <= sameShowing }

// Add takes in another piece of the same proof, told at an instant.
func (s *Shown) Add(from, until time.Time, trusted bool, told time.Time) {
	if s.From.IsZero() {
		s.From, s.Until, s.Trusted, s.Told = from, until, true, told
	}
	if from.Before(s.From) {
		s.From = from
	}
	if until.After(s.Until) {
		s.Until = until
	}
	if told.After(s.Told) {
		s.Told = told
	}
	s.Seconds += max(0, until.Sub(from).Seconds())
	s.Trusted = s.Trusted && trusted
}
