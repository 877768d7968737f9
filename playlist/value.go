package playlist

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds on everything that a person or a file can give us.
const (
	MaxIDLen       = 128
	MaxTitleLen    = 1000    // bytes of a title or name
	MaxTextLen     = 2 << 20 // bytes of a body
	MaxOccurrence  = 168 * time.Hour
	MaxItemLength  = 24 * time.Hour // one showing of one item
	MaxNotice      = 72 * time.Hour
	MaxPixels      = 16384
	MaxListEntries = 10000
)

// ID names an object: 1 to 128 letters, digits, '.', '_', ':' or '-'.
type ID string

// Check says whether the id is well formed.
func (id ID) Check(where string) error {
	if id == "" {
		return invalid(where, "the id is empty")
	}
	if len(id) > MaxIDLen {
		return invalid(where, "the id is longer than %d characters", MaxIDLen)
	}
	for _, r := range string(id) {
		ok := r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._:-", r))
		if !ok {
			return invalid(where, "the id %q has a character other than letters, digits, . _ : -", string(id))
		}
	}
	return nil
}

// Hash is the lower-case hexadecimal SHA-256 of a file's bytes.
type Hash string

// Check says whether h has the form of a SHA-256.
func (h Hash) Check(where string) error {
	if b, err := hex.DecodeString(string(h)); err != nil || len(b) != 32 || strings.ToLower(string(h)) != string(h) {
		return invalid(where, "%.80q is not a SHA-256 in lower-case hexadecimal", string(h))
	}
	return nil
}

// Duration is a span written as Go writes it ("2h30m", "12s"). It is refused
// when negative or longer than a year, so sums of durations never overflow.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// NewDuration parses text as time.ParseDuration does, and bounds it.
func NewDuration(text string) (Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil {
		return 0, invalid("", "%.40q is not a duration such as 2h30m", text)
	}
	if v < 0 || v > 366*24*time.Hour {
		return 0, invalid("", "duration %.40q is not between 0 and a year", text)
	}
	return Duration(v), nil
}

// MarshalText writes the form that NewDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the form of NewDuration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := NewDuration(string(b))
	*d = v
	return err
}

func checkSpan(where string, d Duration, limit time.Duration) error {
	if d <= 0 || d.Std() > limit {
		return invalid(where, "%v is not more than 0 and at most %v", d.Std(), limit)
	}
	return nil
}

// Date is a calendar day without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// NewDate parses "2027-01-29". Years 1970 to 9998 are taken.
func NewDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, invalid("", "%.40q is not a date such as 2027-01-29", text)
	}
	if t.Year() < 1970 || t.Year() > 9998 {
		return Date{}, invalid("", "the year of %q is not between 1970 and 9998", text)
	}
	return DateOf(t), nil
}

// DateOf returns the calendar day of t in t's own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// UTC returns midnight of d carried in UTC, the form cron rules are asked in.
func (d Date) UTC() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// Add returns the day n days later.
func (d Date) Add(n int) Date { return DateOf(d.UTC().AddDate(0, 0, n)) }

// Compare orders days: negative if d is before e.
func (d Date) Compare(e Date) int { return d.UTC().Compare(e.UTC()) }

func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// IsZero says whether no date is given.
func (d Date) IsZero() bool { return d == Date{} }

// MarshalText writes the form that NewDate reads; a zero date is empty.
func (d Date) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads the form of NewDate; empty text is no date.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Date{}
		return nil
	}
	v, err := NewDate(string(b))
	*d = v
	return err
}

// Local is a wall-clock minute or second without a zone, carried in UTC.
type Local struct{ t time.Time }

// NewLocal parses "2027-02-06T05:30" or "2027-02-06T05:30:15".
func NewLocal(text string) (Local, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() <= 9998 {
			return Local{t}, nil
		}
	}
	return Local{}, invalid("", "%.40q is not a local time such as 2027-02-06T05:30", text)
}

// UTC returns the wall time carried in UTC.
func (l Local) UTC() time.Time { return l.t }

// MarshalText writes the form that NewLocal reads.
func (l Local) MarshalText() ([]byte, error) { return []byte(l.t.Format("2006-01-02T15:04:05")), nil }

// UnmarshalText reads the form of NewLocal.
func (l *Local) UnmarshalText(b []byte) error {
	v, err := NewLocal(string(b))
	*l = v
	return err
}

// OneOrMany is a list that may be written as a single value.
type OneOrMany[T any] []T

// UnmarshalJSON reads one value or an array of them.
func (m *OneOrMany[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(m))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*m = OneOrMany[T]{one}
	return nil
}

// checkText bounds a text and refuses what is not UTF-8 or holds control
// characters other than line breaks and tabs: no font draws them.
func checkText(where, s string, limit int) error {
	if len(s) > limit {
		return invalid(where, "the text has %d bytes, more than %d", len(s), limit)
	}
	if !utf8.ValidString(s) {
		return invalid(where, "the text is not UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return invalid(where, "the text holds the control character U+%04X", r)
		}
	}
	return nil
}
