package stage

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
)

// noticeProof returns what was proved of notices: id, languages, seconds and reason.
func (h *hall) noticeProof() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen, open := map[string]bool{}, 0
	for _, m := range h.said {
		switch {
		case m.Showing == nil || !m.Showing.OfNotice():
		case m.Kind == link.Shown:
			if seen[m.Showing.ID] {
				h.t.Errorf("%s was shown twice", m.Showing.ID)
			}
			seen[m.Showing.ID] = true
			if open++; open > 1 {
				h.t.Error("two notices are proved at once")
			}
		case m.Kind == link.Ended:
			if open--; !seen[m.Showing.ID] || m.Showing.Zone != "" || m.Showing.Position != nil {
				h.t.Errorf("ended without having been shown, or of a zone: %+v", m.Showing)
			}
			out = append(out, fmt.Sprintf("%s %v %.0fs %s", m.Showing.Item, m.Showing.Languages, m.Showing.End.Sub(m.Showing.Start).Seconds(), m.Reason))
		}
	}
	return out
}

func withNotice(p *playlist.Programme, seq uint64, id playlist.ID, lasts time.Duration, languages ...playlist.Language) *playlist.Programme {
	n := playlist.Notice{ID: id, Severity: playlist.Extreme, Starts: time.Now(), Ends: time.Now().Add(lasts), Bodies: map[playlist.Language]playlist.Body{}}
	for _, l := range languages {
		n.Bodies[l] = playlist.Body{Title: "Sơ tán"}
	}
	with := *p
	with.Sequence, with.Notice = seq, &playlist.ProgrammeNotice{Notice: n, Remaining: playlist.Duration(lasts)}
	return &with
}

// A notice is proved for as long as it is seen, and only for that: what happens to it, and
// the rows that are left.
func TestNoticeProof(t *testing.T) {
	p := sheet(main2(time.Hour, time.Hour))
	for _, c := range []struct {
		name string
		do   func(h *hall)
		want []string
	}{
		{"ends by itself", func(h *hall) {
			h.play(withNotice(p, 2, "a", time.Minute, "vi", "en"))
			h.run(2 * time.Minute)
		}, []string{"a [vi] 60s done"}},
		{"cancelled", func(h *hall) {
			h.play(withNotice(p, 2, "a", time.Hour, "vi"))
			h.run(20 * time.Second)
			h.play(p)
		}, []string{"a [vi] 20s programme changed"}},
		{"in a language that the place lacks", func(h *hall) {
			h.play(withNotice(p, 2, "a", time.Minute, "km", "en", "lo"))
			h.run(2 * time.Minute)
		}, []string{"a [en] 60s done"}},
		{"under the library", func(h *hall) {
			h.play(withNotice(p, 2, "a", time.Hour, "vi"))
			h.run(20 * time.Second)
			h.d.Cover(true)
			h.run(time.Minute)
			h.d.Cover(false)
			h.run(10 * time.Second)
			h.play(p)
		}, []string{"a [vi] 20s covered", "a [vi] 10s programme changed"}},
		{"replaced", func(h *hall) {
			h.play(withNotice(p, 2, "a", time.Hour, "vi"))
			h.run(20 * time.Second)
			h.play(withNotice(p, 3, "b", time.Hour, "vi"))
			h.run(30 * time.Second)
			h.play(p)
		}, []string{"a [vi] 20s replaced", "b [vi] 30s programme changed"}},
		{"a long one leaves rows on the way", func(h *hall) {
			h.play(withNotice(p, 2, "a", 12*time.Minute, "vi"))
			h.run(13 * time.Minute)
		}, []string{"a [vi] 300s continued", "a [vi] 300s continued", "a [vi] 120s done"}},
		{"sent again by a kiosk that was started again", func(h *hall) {
			with := withNotice(p, 2, "a", time.Minute, "vi")
			h.play(with)
			h.run(20 * time.Second)
			h.play(with)
			h.run(time.Minute)
		}, []string{"a [vi] 60s done"}},
		{"the stage is closed", func(h *hall) {
			h.play(withNotice(p, 2, "a", time.Hour, "vi"))
			h.run(20 * time.Second)
			h.d.Close()
		}, []string{"a [vi] 20s stopped"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHall(t, p)
				h.run(10 * time.Second)
				c.do(h)
				if got := h.noticeProof(); !slices.Equal(got, c.want) {
					t.Errorf("proved %q, want %q", got, c.want)
				}
			})
		})
	}
}
