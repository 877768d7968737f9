package kiosk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"cotmoc/playlist"
)

// A new edition is on probation: if it makes stages end again and again, or keeps
// them from drawing, the one before plays again, and the hub is told.
const (
	trialTime   = 10 * time.Minute
	trialDeaths = 3
	trialDark   = 90 * time.Second // without a frame
)

// probation is what is remembered of a new edition.
type probation struct {
	Edition  string    `json:"edition"`
	Previous string    `json:"previous"`
	At       time.Time `json:"at"`

	began    time.Time              // monotonic, of this run
	restarts map[playlist.ID]int    // of each stage when it began
	frames   map[playlist.ID]uint64 // drawn when last looked
	moved    map[playlist.ID]time.Time
}

// onProbation adds to what is remembered that an edition is new here. The first
// edition of a machine has none to go back to.
func (k *Kiosk) onProbation(before, id string, keep map[string]string) (map[string]string, *probation) {
	if before == "" || before == id {
		return keep, nil
	}
	p := &probation{Edition: id, Previous: before, At: time.Now()}
	raw, err := json.Marshal(p)
	if err != nil {
		return keep, nil
	}
	out := map[string]string{metaProbation: string(raw)}
	for key, value := range keep {
		out[key] = value
	}
	return out, p
}

// loadProbation goes on with a probation that an earlier run began.
func (k *Kiosk) loadProbation(ctx context.Context) {
	raw, err := k.state.Meta(ctx, metaProbation)
	if err != nil || raw == "" {
		return
	}
	var p probation
	if json.Unmarshal([]byte(raw), &p) == nil && p.Edition == k.Playing() {
		k.trial = &p
	}
}

// judge ends a probation, one way or the other.
func (k *Kiosk) judge(ctx context.Context) {
	k.mu.Lock()
	p := k.trial
	verdict := ""
	if p != nil {
		verdict = k.verdict(p, time.Now())
	}
	k.mu.Unlock()
	switch {
	case p == nil || verdict == "":
	case verdict == passed:
		k.endTrial(ctx)
	default:
		k.rollBack(ctx, p, verdict)
	}
}

const passed = "passed"

// verdict is "" while nothing can be said, passed, or why the edition must go.
func (k *Kiosk) verdict(p *probation, now time.Time) string {
	if p.began.IsZero() {
		p.began, p.restarts, p.frames, p.moved = now, map[playlist.ID]int{}, map[playlist.ID]uint64{}, map[playlist.ID]time.Time{}
		for id, s := range k.screens {
			if s.child != nil {
				p.restarts[id] = s.child.Status().Restarts
			}
		}
	}
	for id, s := range k.screens {
		if s.child == nil {
			continue
		}
		if n := s.child.Status().Restarts - p.restarts[id]; n >= trialDeaths {
			return fmt.Sprintf("the stage of display %s ended %d times", id, n)
		}
		if s.beat.Frames != p.frames[id] || p.moved[id].IsZero() {
			p.frames[id], p.moved[id] = s.beat.Frames, now
		}
		if dark := now.Sub(p.moved[id]); dark > trialDark {
			return fmt.Sprintf("display %s drew nothing for %d seconds", id, int(dark.Seconds()))
		}
	}
	if now.Sub(p.began) > trialTime {
		return passed
	}
	return ""
}

func (k *Kiosk) endTrial(ctx context.Context) {
	text := ""
	if err := k.state.SetMeta(ctx, metaProbation, ""); err != nil {
		text = err.Error()
	}
	k.problem("probation", text)
	k.mu.Lock()
	k.trial = nil
	k.mu.Unlock()
}

// rollBack lets the edition before play again. The one that failed is not taken
// again on this machine; the next one is.
func (k *Kiosk) rollBack(ctx context.Context, p *probation, why string) {
	k.content.Lock()
	defer k.content.Unlock()
	k.mu.Lock()
	k.trial = nil
	k.mu.Unlock()
	l, err := k.load(ctx, p.Previous, k.emergency(ctx), false)
	if err == nil {
		err = k.switchTo(ctx, p.Previous, l, k.emergency(ctx), map[string]string{metaRefused: p.Edition, metaProbation: ""})
	}
	if err != nil {
		k.problem("roll-back", fmt.Sprintf("edition %s fails (%s), and the one before cannot be had: %v", p.Edition, why, err))
		return
	}
	k.install(l)
	k.problem("roll-back", fmt.Sprintf("edition %s was taken back: %s", p.Edition, why))
	k.Nudge()
	k.fetch.wantChanged()
}
