package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// Bounds of proof of play. A machine's key may be in anybody's hands: what it writes is
// believed only as far as a machine could have played it.
const (
	burstPlays = 20_000               // rows at once: an outbox that waited
	ratePlays  = 20                   // rows a second after that
	oldestPlay = 400 * 24 * time.Hour // before now
	aheadPlay  = 10 * time.Minute     // of this hub's clock
	longest    = 31 * 24 * time.Hour
	maxPlayID  = 300 // bytes
)

// errFast is returned to a machine that delivers faster than it can have played.
var errFast = errors.New("proof of play comes faster than it can have been played")

// row is what of a row of proof is looked at.
type row struct {
	ID       string         `json:"id"`
	Display  playlist.ID    `json:"display"`
	Layer    playlist.Layer `json:"layer"`
	Schedule string         `json:"schedule"`
	Item     playlist.ID    `json:"item"`
	Start    time.Time
	End      time.Time
	Trusted  bool `json:"trusted"` // the times may be believed
}

// fits says whether a row of a notice, or of an item, is well formed and of one of the
// machine's displays. A machine without any shows notices only.
func (r row) fits(displays []playlist.ID) bool {
	notice, ok := strings.CutPrefix(r.Schedule, playlist.NoticePrefix)
	if !ok {
		layers := []playlist.Layer{playlist.Main, playlist.Side, playlist.Ticker, playlist.Audio, ""}
		return slices.Contains(displays, r.Display) && slices.Contains(layers, r.Layer)
	}
	return (r.Display == playlist.StandIn || slices.Contains(displays, r.Display)) && r.Layer == "" && notice == string(r.Item) && notice != ""
}

// possible says whether a machine with these displays can have played a row.
func (r row) possible(displays []playlist.ID, now time.Time) bool {
	if r.ID == "" || len(r.ID) > maxPlayID || len(r.Item) > feed.MaxCountID || !r.fits(displays) {
		return false
	}
	if r.End.Before(r.Start) && r.Trusted || r.End.Sub(r.Start) > longest {
		return false
	}
	return !r.Trusted || !r.Start.Before(now.Add(-oldestPlay)) && !r.End.After(now.Add(aheadPlay))
}

// sift takes out what cannot have been played. Its numbers are acknowledged: no later try
// would mend it.
func (f *Fleet) sift(ctx context.Context, dev desk.Device, b *feed.Batch) error {
	if len(b.Plays) == 0 {
		return nil
	}
	displays, err := f.Desk.DisplaysOf(ctx, dev.ID)
	if err != nil {
		return err
	}
	if err := f.Desk.Clock.Check(); err != nil { // what is refused is gone: not by a clock that may be wrong
		return err
	}
	bad := 0
	for n, p := range b.Plays {
		var r row
		if json.Unmarshal(p.Row, &r) != nil || !r.possible(displays, f.Desk.Now()) {
			b.Plays[n].Row = nil
			bad++
		}
	}
	if bad > 0 {
		f.Log.Warn("Proof of play was refused", "device", dev.ID, "rows", bad, "of", len(b.Plays))
	}
	return nil
}

// rates bounds how fast each machine delivers.
type rates struct {
	mu sync.Mutex
	of map[string]rate
}

type rate struct {
	left float64
	at   time.Time
}

// take says whether a machine may deliver so many rows now.
func (r *rates) take(device string, rows int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.of[device]
	if !ok {
		known = rate{burstPlays, now}
	}
	if passed := now.Sub(known.at); passed > 0 {
		known.left = min(burstPlays, known.left+passed.Seconds()*ratePlays)
	}
	known.at = now
	enough := known.left >= float64(rows)
	if enough {
		known.left -= float64(rows)
	}
	r.of[device] = known
	return enough
}
