package feed

import (
	"encoding/json"
	"slices"
	"time"
)

// EmergencyFormat is the version of the document of the duty officers.
const EmergencyFormat = "cotmoc-emergency/1"

// Emergency is what duty officers say beside the editions: notices that must be
// shown, and versions that must leave the screens, both at once.
type Emergency struct {
	Format    string            `json:"format"`
	Number    int64             `json:"number"`
	IssuedAt  time.Time         `json:"issued_at"`
	Notices   []json.RawMessage `json:"notices,omitempty"`
	Withdrawn []string          `json:"withdrawn,omitempty"` // ids of versions
}

// A stick says for what it was made in a file of its own, which nobody signs.
const (
	StickFile   = "stick.json"
	StickFormat = "cotmoc-stick/1"
)

// Stick is what a stick says of itself.
type Stick struct {
	Format string   `json:"format"`
	Place  string   `json:"place,omitempty"` // empty: of the whole country
	Scopes []string `json:"scopes,omitempty"`
}

// Envelope is a document sealed by one key.
type Envelope struct {
	What      string `json:"what"` // what it is: a seal serves one purpose only
	Body      []byte `json:"body"` // JSON
	KeyID     string `json:"key"`
	Signature []byte `json:"signature"`
}

// What envelopes may hold.
const (
	WhatAssignment = "assignment"
	WhatTime       = "time"
	WhatBatch      = "batch"
	WhatEnrolled   = "enrolled"
)

// Assignment says what a device holds and shows. It chooses among what is signed
// by others; it adds nothing.
type Assignment struct {
	Device   string    `json:"device"`
	Number   int64     `json:"number"` // never goes back
	Place    string    `json:"place"`
	Above    []string  `json:"above,omitempty"`    // places above it, the nearest first
	Displays []string  `json:"displays,omitempty"` // of this machine
	Scopes   []string  `json:"scopes"`             // in the order in which they take precedence
	Kbit     int       `json:"kbit,omitempty"`     // most kilobits a second for files; 0: no limit
	Hours    string    `json:"hours,omitempty"`    // local hours for what is not urgent, as 22:00-05:00
	QuotaMB  int       `json:"quota_mb,omitempty"`
	PIN      string    `json:"pin,omitempty"` // of the staff's page, as a PHC hash; empty: the machine's own
	IssuedAt time.Time `json:"issued_at"`
}

// Event is one line of the stream by which a hub tells devices to look.
type Event struct {
	Kind       string `json:"kind"` // hello, edition, assignment, held, ping, restart
	Timestamp  int64  `json:"timestamp,omitempty"`
	Assignment int64  `json:"assignment,omitempty"`
	Ping       int    `json:"ping,omitempty"`  // seconds between pings from now on
	After      int    `json:"after,omitempty"` // of a restart: seconds within which to come back

	// Files are published files that come with the event, by name: what the duty
	// officers say travels with the news of it.
	Files map[string][]byte `json:"files,omitempty"`
}

// Time is the hub's time, sealed over the asker's nonce.
type Time struct {
	Nonce string    `json:"nonce"`
	At    time.Time `json:"at"`
}

// Play is a row of proof of play on its way to the hub.
type Play struct {
	Seq int64           `json:"seq"`
	Row json.RawMessage `json:"row"`
}

// Batch is a piece of a device's outbox. Epoch names the database from which the
// numbers come: a new database counts anew.
type Batch struct {
	Device string `json:"device"`
	Epoch  string `json:"epoch"`
	Gone   int64  `json:"gone"` // rows up to this number are no longer on the device
	From   int64  `json:"from"` // all rows behind this number are here, up to the last one
	Plays  []Play `json:"plays"`

	// Counts are what visitors did at the library, as whole sums: they may come twice.
	// Tally names this set of them, for the receipt.
	Counts []Count `json:"counts,omitempty"`
	Tally  string  `json:"tally,omitempty"`
}

// Count is how often visitors did something on one local day. There is no finer time in
// it and no identity.
type Count struct {
	Day      string `json:"day"`  // 2006-01-02
	What     string `json:"what"` // visit, item, language, missing
	Item     string `json:"item,omitempty"`
	Language string `json:"language,omitempty"`
	N        int64  `json:"n"`
}

// Limits of a count.
const (
	MaxCount   = 1_000_000 // in a day, on a machine
	MaxCountID = 128       // bytes of an item's id
)

// CountKinds are what is counted.
var CountKinds = []string{"visit", "item", "language", "missing"}

// Valid says whether a count can be: it comes from a machine that anybody may have opened.
func (c Count) Valid() bool {
	day, err := time.Parse(time.DateOnly, c.Day)
	return err == nil && day.Year() >= 2020 && day.Year() < 2100 && slices.Contains(CountKinds, c.What) && len(c.Item) <= MaxCountID && len(c.Language) <= 35 && c.N > 0 && c.N <= MaxCount
}

// Receipt says up to which number of an epoch the hub holds everything.
type Receipt struct {
	Epoch string `json:"epoch"`
	Seq   int64  `json:"seq"`
	Tally string `json:"tally,omitempty"` // of the counts that it holds now
}

// Report is what a device says of itself.
type Report struct {
	Device     string          `json:"device"`
	Boot       string          `json:"boot"`
	At         time.Time       `json:"at"` // by its clock
	Uptime     int64           `json:"uptime_s"`
	Edition    string          `json:"edition"`
	Number     int64           `json:"number"` // of the snapshot that it has accepted
	Emergency  int64           `json:"emergency,omitempty"`
	Assignment int64           `json:"assignment,omitempty"`
	Nonce      string          `json:"nonce,omitempty"`
	Status     json.RawMessage `json:"status,omitempty"` // for people: displays, problems, inventory
}

// Reported is the answer to a report.
type Reported struct {
	Time       Envelope  `json:"time"`
	Assignment *Envelope `json:"assignment,omitempty"` // where the device's is older
}

// Asking is a device's wish to be enrolled.
type Asking struct {
	Public  []byte `json:"public"` // Ed25519
	Request []byte `json:"csr"`    // PKCS #10, DER
	Code    string `json:"code,omitempty"`
}

// Pairing is the answer: the code that staff confirm.
type Pairing struct {
	ID    string    `json:"id"`
	Code  string    `json:"code"`
	Until time.Time `json:"until"`
}

// Enrolled is what a device gets once staff have confirmed it.
type Enrolled struct {
	Device      string   `json:"device"`
	Public      []byte   `json:"public"` // the device's own key, as the hub knows it
	Certificate []byte   `json:"certificate"`
	Authority   []byte   `json:"authority"` // of hub and devices, DER
	Assignment  Envelope `json:"assignment"`
}

// Pending says how far an enrolment is.
type Pending struct {
	State    string    `json:"state"` // waiting, accepted, refused, over
	Enrolled *Envelope `json:"enrolled,omitempty"`
}
