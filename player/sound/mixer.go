// Package sound is the hall's sound: voices decoded by ffmpeg, mixed with
// beep, begun at an instant of the monotonic clock that stage and sound share.
package sound

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"cotmoc/player/decode"
)

// Bus says how a voice is mixed.
type Bus string

// The buses. Music is ducked while speech or a chime is heard.
const (
	Music  Bus = "music"
	Speech Bus = "speech"
	Chime  Bus = "chime"
)

const (
	rate       = decode.SampleRate
	duckedTo   = 0.2
	rampPer    = 1.0 / (0.3 * rate) // gains move over 0.3 s
	ahead      = rate * 2           // samples decoded ahead of a voice
	resyncFrom = 30 * time.Millisecond
)

// voice is one stream. Its samples are fed by a goroutine of their own.
type voice struct {
	id      string
	bus     Bus
	mu      sync.Mutex
	room    *sync.Cond
	buf     [][2]float64
	done    bool // nothing more will come
	stopped bool
	startAt int64 // CLOCK_MONOTONIC; 0: not yet
	played  int64 // samples handed out since startAt
	gain    float64
}

func newVoice(id string, bus Bus) *voice {
	v := &voice{id: id, bus: bus, gain: 1}
	v.room = sync.NewCond(&v.mu)
	return v
}

// feed reads interleaved 16-bit stereo until the end or stop.
func (v *voice) feed(r io.Reader) (samples int64, err error) {
	raw := make([]byte, 4*1024)
	for {
		n, err := io.ReadFull(r, raw)
		v.mu.Lock()
		for len(v.buf) > ahead && !v.stopped {
			v.room.Wait()
		}
		for i := 0; i+4 <= n; i += 4 {
			left := int16(binary.LittleEndian.Uint16(raw[i:]))
			right := int16(binary.LittleEndian.Uint16(raw[i+2:]))
			v.buf = append(v.buf, [2]float64{float64(left) / 32768, float64(right) / 32768})
		}
		samples += int64(n / 4)
		stopped := v.stopped
		if err != nil {
			v.done = true
		}
		v.mu.Unlock()
		if err == io.EOF || err == io.ErrUnexpectedEOF || stopped {
			return samples, nil
		}
		if err != nil {
			return samples, err
		}
	}
}

func (v *voice) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopped = true
	v.room.Broadcast()
}

// Mixer is a beep.Streamer that never ends. now is CLOCK_MONOTONIC; latency is
// how long after being pulled a sample is heard.
type Mixer struct {
	now     func() int64
	latency time.Duration

	mu      sync.Mutex
	voices  map[string]*voice
	pulled  int64 // samples handed out in all
	origin  int64 // estimated instant at which sample 0 was pulled
	level   float64
	current float64 // level, on its way
	duck    float64
	ended   func(id string)
}

// NewMixer makes a silent mixer. ended is called when a voice has played out.
func NewMixer(now func() int64, latency time.Duration, ended func(id string)) *Mixer {
	return &Mixer{now: now, latency: latency, voices: map[string]*voice{}, level: 1, current: 1, duck: 1, ended: ended}
}

// SetLevel sets the volume, 0 to 1.
func (m *Mixer) SetLevel(level float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.level = min(max(level, 0), 1)
}

// Pulled returns how many samples were taken so far.
func (m *Mixer) Pulled() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pulled
}

func (m *Mixer) add(v *voice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.voices[v.id]; old != nil {
		old.stop()
	}
	m.voices[v.id] = v
}

// Start lets a voice begin at an instant, which may have passed already.
func (m *Mixer) Start(id string, at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.voices[id]
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	moved := at - v.startAt
	if v.startAt != 0 && moved < resyncFrom.Nanoseconds() && moved > -resyncFrom.Nanoseconds() {
		return // close enough: a correction would be heard
	}
	v.startAt = at
}

// Stop ends a voice; no id ends all of them.
func (m *Mixer) Stop(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id == "" {
		for _, v := range m.voices {
			v.stop()
		}
		clear(m.voices)
		return
	}
	if v := m.voices[id]; v != nil {
		v.stop()
		delete(m.voices, id)
	}
}

// Stream implements beep.Streamer.
func (m *Mixer) Stream(out [][2]float64) (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	at := now - m.pulled*int64(time.Second)/rate
	if drift := at - m.origin; m.origin == 0 || drift > int64(time.Second/4) || drift < -int64(time.Second/4) {
		m.origin = at // the first pull, or after a stall
	} else {
		m.origin += drift / 50 // single pulls are early or late; their mean is not
	}
	heard := m.origin + m.pulled*int64(time.Second)/rate + m.latency.Nanoseconds()
	clear(out)
	speech := false
	for id, v := range m.voices {
		playing, over := v.mix(out, heard, m.duck)
		speech = speech || playing && v.bus != Music
		if over {
			delete(m.voices, id)
			if m.ended != nil {
				m.ended(id)
			}
		}
	}
	target := 1.0
	if speech {
		target = duckedTo
	}
	for i := range out {
		m.duck = toward(m.duck, target)
		m.current = toward(m.current, m.level)
		for c := range 2 {
			out[i][c] = min(max(out[i][c]*m.current, -1), 1)
		}
	}
	m.pulled += int64(len(out))
	return len(out), true
}

// Err implements beep.Streamer.
func (m *Mixer) Err() error { return nil }

func toward(v, target float64) float64 {
	if v < target {
		return min(v+rampPer, target)
	}
	return max(v-rampPer, target)
}

// mix adds the voice's samples that are heard from instant heard on.
func (v *voice) mix(out [][2]float64, heard int64, duck float64) (playing, over bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.startAt == 0 {
		return false, false
	}
	// Where the first sample of this block lies in the voice, in samples.
	want := (heard - v.startAt) * rate / int64(time.Second)
	from := 0
	if want < 0 {
		from = int(min(-want, int64(len(out))))
		want = 0
	}
	if from == len(out) {
		return false, false
	}
	// Correct the place only if it is off by more than can be seen.
	if skip := want - v.played; skip > int64(resyncFrom*rate/time.Second) {
		n := min(skip, int64(len(v.buf)))
		v.buf = v.buf[n:]
		v.played += n
	}
	if v.played-want > int64(resyncFrom*rate/time.Second) {
		return true, false // ahead of the picture: wait for it
	}
	gain := 1.0
	if v.bus == Music {
		gain = duck
	}
	n := min(len(out)-from, len(v.buf))
	for i := range n {
		out[from+i][0] += v.buf[i][0] * gain
		out[from+i][1] += v.buf[i][1] * gain
	}
	v.buf = v.buf[n:]
	v.played += int64(n)
	v.room.Signal()
	return n > 0, v.done && len(v.buf) == 0
}
