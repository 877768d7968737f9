package timeline

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Caption is a text shown over a video during [Start, End).
type Caption struct {
	Start, End time.Duration
	Text       string
}

// Captions are in order of Start.
type Captions []Caption

const maxCaptions = 20000

var tag = regexp.MustCompile(`<[^>]*>`)

// ParseVTT reads a WebVTT file (W3C). Styling, regions and positions are left
// out; a malformed cue is skipped, as the standard says.
func ParseVTT(r io.Reader) (Captions, error) {
	in := bufio.NewScanner(io.LimitReader(r, 8<<20))
	in.Buffer(nil, 64<<10)
	if !in.Scan() || !strings.HasPrefix(strings.TrimPrefix(in.Text(), "\uFEFF"), "WEBVTT") {
		return nil, fmt.Errorf("captions: the file does not begin with WEBVTT")
	}
	var out Captions
	var cue *Caption
	for in.Scan() {
		line := strings.TrimRight(in.Text(), "\r ")
		from, to, timing := strings.Cut(line, "-->")
		switch {
		case timing:
			start, ok1 := vttTime(strings.TrimSpace(from))
			end, ok2 := vttTime(strings.Fields(to + " x")[0])
			cue = nil
			if ok1 && ok2 && end > start && len(out) < maxCaptions {
				out = append(out, Caption{Start: start, End: end})
				cue = &out[len(out)-1]
			}
		case line == "":
			cue = nil
		case cue != nil && len(cue.Text) < 500:
			if cue.Text != "" {
				cue.Text += "\n"
			}
			cue.Text += unescape.Replace(tag.ReplaceAllString(line, ""))
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("captions: %w", err)
	}
	slices.SortStableFunc(out, func(a, b Caption) int { return int(a.Start - b.Start) })
	return out, nil
}

var unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&nbsp;", "\u00A0", "&lrm;", "", "&rlm;", "")

func vttTime(s string) (time.Duration, bool) {
	var h, m, sec, ms int
	if n, err := fmt.Sscanf(s, "%d:%d:%d.%d", &h, &m, &sec, &ms); n != 4 || err != nil {
		h = 0
		if n, err := fmt.Sscanf(s, "%d:%d.%d", &m, &sec, &ms); n != 3 || err != nil {
			return 0, false
		}
	}
	if h < 0 || h > 99 || m < 0 || m > 59 || sec < 0 || sec > 59 || ms < 0 || ms > 999 {
		return 0, false
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second + time.Duration(ms)*time.Millisecond, true
}

// At returns the text at an instant of the video, and when that changes next
// (zero: never again).
func (c Captions) At(t time.Duration) (text string, next time.Duration) {
	for _, cue := range c {
		switch {
		case cue.Start > t:
			if next == 0 || cue.Start < next {
				next = cue.Start
			}
			return text, next
		case t < cue.End:
			if text != "" {
				text += "\n"
			}
			text += cue.Text
			if next == 0 || cue.End < next {
				next = cue.End
			}
		}
	}
	return text, next
}
