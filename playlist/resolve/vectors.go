package resolve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"cotmoc/playlist"
)

// Vectors is a file of schedule vectors; its form is in the contract.
type Vectors struct {
	Zone      string              `json:"zone"`
	Default   string              `json:"default"`
	Calendars []playlist.Calendar `json:"calendars,omitempty"`
	Cases     []Vector            `json:"cases"`
}

// Vector is one question with the answer expected of every implementation.
// Refused expects that the schedules are refused when written.
type Vector struct {
	Name         string              `json:"name"`
	Zone         string              `json:"zone,omitempty"`
	Schedules    []json.RawMessage   `json:"schedules,omitempty"`
	Notices      []playlist.Notice   `json:"notices,omitempty"`
	Calendars    []playlist.Calendar `json:"calendars,omitempty"`
	Unplayable   []playlist.ID       `json:"unplayable,omitempty"`
	ClockTrusted *bool               `json:"clock_trusted,omitempty"`
	At           time.Time           `json:"at"`
	Layer        playlist.Layer      `json:"layer,omitempty"`
	Expect       string              `json:"expect"`
	Next         *time.Time          `json:"next,omitempty"`
	Refused      bool                `json:"refused,omitempty"`
}

// DecodeVectors reads a vectors file. Fields beyond the contract's are left
// alone, so that a file may carry remarks.
func DecodeVectors(raw []byte) (Vectors, error) {
	var v Vectors
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&v); err != nil {
		return v, fmt.Errorf("vectors file: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return v, fmt.Errorf("vectors file: there is something after the JSON value")
	}
	return v, nil
}

// Run asks the case's question. It returns nil if the answer is as expected,
// else an error that says what differs.
func (v Vectors) Run(c Vector) error {
	name := c.Zone
	if name == "" {
		name = v.Zone
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return fmt.Errorf("zone %q: %w", name, err)
	}
	if c.Layer == "" {
		c.Layer = playlist.Main
	}
	calendars := map[playlist.ID]playlist.Calendar{}
	for _, cal := range slices.Concat(v.Calendars, c.Calendars) {
		calendars[cal.ID] = cal
	}
	set, unplayable, err := c.compile(calendars, loc)
	if c.Refused {
		if err == nil {
			return fmt.Errorf("the schedules were taken, expected them to be refused")
		}
		return nil
	}
	if err != nil {
		return err
	}
	q := Question{At: c.At, Untrusted: c.ClockTrusted != nil && !*c.ClockTrusted, Available: unplayable}
	for _, n := range c.Notices {
		checked, err := playlist.NewNotice(n)
		if err != nil {
			return err
		}
		q.Notices = append(q.Notices, Notice{Notice: checked})
	}
	a := set.Resolve(q)
	if got := a.ID(v.Default); got != c.Expect {
		return fmt.Errorf("got %s, expected %s", got, c.Expect)
	}
	if c.Next != nil && !a.Next.Equal(*c.Next) {
		return fmt.Errorf("next is %s, expected %s", formatNext(a.Next, loc), c.Next.In(loc).Format(time.RFC3339Nano))
	}
	return nil
}

func (c Vector) compile(calendars map[playlist.ID]playlist.Calendar, loc *time.Location) (*Set, map[playlist.ID]Availability, error) {
	var schedules []playlist.Schedule
	unplayable := map[playlist.ID]Availability{}
	for _, raw := range c.Schedules {
		var s playlist.Schedule
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, nil, fmt.Errorf("schedule: %w", err)
		}
		if s.Layer == "" {
			s.Layer = playlist.Main
		}
		if slices.Contains(c.Unplayable, s.ID) || s.Playlist != "" && slices.Contains(c.Unplayable, s.Playlist) {
			unplayable[s.ID] = Availability{Reason: "listed as unplayable"}
		}
		if s.Layer == c.Layer {
			schedules = append(schedules, s)
		}
	}
	set, err := Compile(schedules, calendars, loc)
	return set, unplayable, err
}

func formatNext(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(loc).Format(time.RFC3339Nano)
}
