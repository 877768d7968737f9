package resolve

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"cotmoc/playlist"
)

// rule is a cron rule of five fields as bit sets, parsed by robfig/cron. Its
// SpecSchedule.Next is the oracle of this file's tests; looking backwards and
// skipping whole days, which Next cannot do, need the sets themselves.
type rule struct {
	minute, hour, dom, month, dow uint64
	either                        bool // day of month or weekday suffices
	widest                        int  // largest gap between starts of one day, in minutes
	first, last                   int  // first and last start of a day, minutes
}

const starBit = 1 << 63

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// parseRule reads five cron fields. Descriptors, seconds, embedded zones and
// rules that can never fire are refused.
func parseRule(text string) (r rule, err error) {
	refuse := func(format string, args ...any) (rule, error) {
		return rule{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "starts", Detail: fmt.Sprintf(format, args...)}
	}
	fields := strings.Fields(text)
	switch {
	case len(text) > 512:
		return refuse("the rule is longer than 512 characters")
	case strings.HasPrefix(strings.TrimSpace(text), "@"):
		return refuse("descriptors such as %.20q are not allowed; write five fields", text)
	case strings.Contains(text, "TZ="):
		return refuse("a time zone inside the rule is not allowed; the place has one")
	case len(fields) != 5:
		return refuse("%.60q has %d fields, not five (minute hour day month weekday)", text, len(fields))
	}
	// The parser has panicked on input before; a person's typing must not.
	defer func() {
		if p := recover(); p != nil {
			r, err = refuse("%.60q is not a cron rule", text)
		}
	}()
	if fields[4], err = sundayIsSeven(fields[4]); err != nil {
		return refuse("%v", err)
	}
	parsed, err := parser.Parse(strings.Join(fields, " "))
	if err != nil {
		return refuse("%.60q is not a cron rule: %v", text, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return refuse("%.60q is not a cron rule of five fields", text)
	}
	r = rule{
		minute: spec.Minute &^ starBit, hour: spec.Hour &^ starBit, dom: spec.Dom &^ starBit,
		month: spec.Month &^ starBit, dow: spec.Dow &^ starBit,
		either: spec.Dom&starBit == 0 && spec.Dow&starBit == 0,
	}
	if !r.possible() {
		return refuse("%.60q can never happen", text)
	}
	r.measure()
	return r, nil
}

// sundayIsSeven rewrites weekday 7, which robfig/cron refuses, to 0.
func sundayIsSeven(field string) (string, error) {
	names := map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
	number := func(s string) (int, bool) {
		if n, ok := names[strings.ToLower(s)]; ok {
			return n, true
		}
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= 0 && n <= 7
	}
	parts := strings.Split(field, ",")
	for i, part := range parts {
		span, stepText, stepped := strings.Cut(part, "/")
		low, high, ranged := strings.Cut(span, "-")
		if low != "7" && high != "7" {
			continue
		}
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 {
				return "", fmt.Errorf("weekday step %.20q is not a number of at least 1", stepText)
			}
			step = n
		}
		from, ok := number(low)
		to := 7
		if ok && ranged {
			to, ok = number(high)
		}
		if !ok || from > to {
			return "", fmt.Errorf("weekday %.20q is not a weekday or a range of them", part)
		}
		var days []string
		for d := from; d <= to; d += step {
			days = append(days, strconv.Itoa(d%7))
		}
		parts[i] = strings.Join(days, ",")
	}
	return strings.Join(parts, ","), nil
}

func (r rule) possible() bool {
	if r.either || r.dom == 0 {
		return r.month != 0
	}
	longest := [...]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for m := 1; m <= 12; m++ {
		if r.month&(1<<m) != 0 && bits.TrailingZeros64(r.dom) <= longest[m] {
			return true
		}
	}
	return false
}

func (r *rule) measure() {
	prev := -1
	for m := range 24 * 60 {
		if !r.at(m) {
			continue
		}
		if prev < 0 {
			r.first = m
		} else {
			r.widest = max(r.widest, m-prev)
		}
		prev = m
	}
	r.last = prev
}

// at says whether a matching day has a start at this minute of the day.
func (r rule) at(minute int) bool {
	return r.hour&(1<<(minute/60)) != 0 && r.minute&(1<<(minute%60)) != 0
}

// on says whether the rule fires at all on day d.
func (r rule) on(d day) bool {
	_, month, dom := d.utc().Date()
	if r.month&(1<<month) == 0 {
		return false
	}
	byDom, byDow := r.dom&(1<<dom) != 0, r.dow&(1<<d.weekday()) != 0
	if r.either {
		return byDom || byDow
	}
	return byDom && byDow
}

// before returns the last start of a matching day that is not after minute.
func (r rule) before(minute int) (int, bool) {
	for h := minute / 60; h >= 0; h-- {
		if r.hour&(1<<h) == 0 {
			continue
		}
		set := r.minute
		if h == minute/60 {
			set &= 1<<(minute%60+1) - 1
		}
		if set != 0 {
			return h*60 + 63 - bits.LeadingZeros64(set), true
		}
	}
	return 0, false
}

// after returns the first start of a matching day that is not before minute.
func (r rule) after(minute int) (int, bool) {
	for h := minute / 60; h < 24; h++ {
		if r.hour&(1<<h) == 0 {
			continue
		}
		set := r.minute
		if h == minute/60 {
			set &^= 1<<(minute%60) - 1
		}
		if set != 0 {
			return h*60 + bits.TrailingZeros64(set), true
		}
	}
	return 0, false
}

// within says whether every start of a day by r is one by o too.
func (r rule) within(o rule) bool { return r.minute&^o.minute == 0 && r.hour&^o.hour == 0 }

func minutes(m int) time.Duration { return time.Duration(m) * time.Minute }
