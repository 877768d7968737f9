package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/gopxl/beep/v2"
	"github.com/gopxl/beep/v2/speaker"

	"cotmoc/player/decode"
	"cotmoc/player/link"
)

// ErrNoSound asks for a restart: the sound system cannot be reopened within a
// process, so a lost card or server means a new one.
var ErrNoSound = errors.New("no sound comes out of this machine")

// Bounds of the watch over the sound system. speaker.Init returning nil does
// not mean that there is sound, so what was pulled is compared with the clock.
const (
	firstPull = 8 * time.Second
	stall     = 3 * time.Second
	fastest   = 1.5
)

// Player obeys kiosk's messages.
type Player struct {
	mixer *Mixer
	tell  func(link.Message)
	ctx   context.Context
	feeds sync.WaitGroup
}

// Serve opens the sound system and plays until ctx ends or no sound comes out.
// messages are kiosk's; tell must not block.
func Serve(ctx context.Context, latency time.Duration, messages <-chan link.Message, tell func(link.Message)) error {
	ctx, cancel := context.WithCancel(ctx)
	p := &Player{tell: tell, ctx: ctx}
	p.mixer = NewMixer(link.Mono, latency, func(id string) { tell(link.Message{Kind: link.Ended, ID: id}) })
	defer p.feeds.Wait()
	defer cancel()
	opened := make(chan error, 1)
	go func() { opened <- speaker.Init(beep.SampleRate(rate), rate*40/1000) }() // may hang for seconds without a server
	select {
	case err := <-opened:
		if err != nil {
			return fmt.Errorf("%w: %v", ErrNoSound, err)
		}
	case <-time.After(firstPull):
		return fmt.Errorf("%w: the sound system does not answer", ErrNoSound)
	case <-ctx.Done():
		return ctx.Err()
	}
	speaker.Play(p.mixer)
	return p.loop(messages)
}

func (p *Player) loop(messages <-chan link.Message) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	watch := newWatch(time.Now())
	for {
		select {
		case <-p.ctx.Done():
			return p.ctx.Err()
		case m, ok := <-messages:
			if !ok || m.Kind == link.Quit {
				return context.Canceled
			}
			p.obey(m)
		case now := <-tick.C:
			pulled := p.mixer.Pulled()
			p.tell(link.Message{Kind: link.PositionAt, PCM: pulled, At: link.Mono(), Routines: runtime.NumGoroutine()})
			if err := watch.check(now, pulled); err != nil {
				return err
			}
		}
	}
}

func (p *Player) obey(m link.Message) {
	switch m.Kind {
	case link.Prepare:
		p.prepare(m)
	case link.Start:
		p.mixer.Start(m.ID, m.At)
	case link.Stop:
		p.mixer.Stop(m.ID)
	case link.Gain:
		p.mixer.SetLevel(m.Level)
	}
}

func (p *Player) prepare(m link.Message) {
	v := newVoice(m.ID, Bus(m.Bus))
	p.mixer.add(v)
	p.feeds.Go(func() {
		var src io.Reader = chime()
		var audio *decode.Audio
		if m.Path != "" {
			var err error
			if audio, err = decode.OpenAudio(p.ctx, m.Path, time.Duration(m.From)*time.Millisecond, m.Speed); err != nil {
				p.fault(m, err)
				return
			}
			src = audio
		}
		n, err := v.feed(src)
		if audio != nil {
			if closeErr := audio.Close(); n == 0 && err == nil {
				err = closeErr
			}
		}
		if err != nil && p.ctx.Err() == nil && m.Bus != string(Speech) { // a video without sound is no fault
			p.fault(m, err)
		}
	})
}

func (p *Player) fault(m link.Message, err error) {
	p.mixer.Stop(m.ID)
	p.tell(link.Message{Kind: link.Fault, ID: m.ID, Reason: err.Error()})
}

// chime is two soft bells, made here so that a notice is never silent.
func chime() io.Reader {
	var b bytes.Buffer
	for i := range int(1.6 * rate) {
		t := float64(i) / rate
		var s float64
		for _, bell := range []struct{ at, hz float64 }{{0, 880}, {0.45, 659.26}} {
			if dt := t - bell.at; dt >= 0 {
				s += 0.4 * math.Exp(-3.5*dt) * (math.Sin(2*math.Pi*bell.hz*dt) + 0.3*math.Sin(4*math.Pi*bell.hz*dt))
			}
		}
		v := int16(math.Max(-1, math.Min(1, s*0.7)) * 32767)
		sample := [2]int16{v, v}
		if err := binary.Write(&b, binary.LittleEndian, sample); err != nil {
			break // a buffer takes everything
		}
	}
	return &b
}

// watch compares what was pulled with the clock.
type watch struct {
	began, moved time.Time
	base         time.Time
	pulled, from int64
}

func newWatch(now time.Time) *watch { return &watch{began: now, moved: now, base: now} }

// check says whether sound still comes out at the pace of time.
func (w *watch) check(now time.Time, pulled int64) error {
	if pulled == w.pulled {
		limit := stall
		if pulled == 0 {
			limit = firstPull
		}
		if now.Sub(w.moved) > limit {
			return fmt.Errorf("%w: nothing was taken for %v", ErrNoSound, limit)
		}
		return nil
	}
	w.pulled, w.moved = pulled, now
	if span := now.Sub(w.base); span >= 10*time.Second {
		pace := float64(pulled-w.from) / rate / span.Seconds()
		w.base, w.from = now, pulled
		if pace > fastest {
			return fmt.Errorf("%w: it was taken %.0f times too fast", ErrNoSound, pace)
		}
	}
	return nil
}
