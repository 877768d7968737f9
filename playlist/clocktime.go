package playlist

import (
	"fmt"
	"time"
)

// ClockTime is a wall-clock minute of the day, 0 to 1440 ("24:00" closes a day).
type ClockTime int

// NewClockTime parses "07:30"; "24:00" is the end of the day.
func NewClockTime(text string) (ClockTime, error) {
	var h, m int
	if n, err := fmt.Sscanf(text, "%d:%d", &h, &m); n != 2 || err != nil || len(text) != 5 ||
		h < 0 || m < 0 || m > 59 || h*60+m > 24*60 {
		return 0, invalid("", "%.20q is not a time of day such as 07:30", text)
	}
	return ClockTime(h*60 + m), nil
}

func (c ClockTime) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// MarshalText writes the form that NewClockTime reads.
func (c ClockTime) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the form of NewClockTime.
func (c *ClockTime) UnmarshalText(b []byte) error {
	v, err := NewClockTime(string(b))
	*c = v
	return err
}

// Weekday is a time.Weekday written MON … SUN.
type Weekday time.Weekday

var weekdays = [...]string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

// MarshalText writes MON … SUN.
func (w Weekday) MarshalText() ([]byte, error) { return []byte(weekdays[w]), nil }

// UnmarshalText reads MON … SUN.
func (w *Weekday) UnmarshalText(b []byte) error {
	for i, name := range weekdays {
		if name == string(b) {
			*w = Weekday(i)
			return nil
		}
	}
	return invalid("", "%.10q is not a weekday MON to SUN", string(b))
}
