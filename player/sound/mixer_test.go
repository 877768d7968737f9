package sound

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"time"
)

// clock is a CLOCK_MONOTONIC that advances with the samples that are pulled.
type clock struct{ now int64 }

// pull takes n samples in blocks as a sound card does and moves the clock on.
func pull(m *Mixer, c *clock, n int) (out [][2]float64) {
	for len(out) < n {
		block := make([][2]float64, 480)
		m.Stream(block)
		c.now += int64(len(block)) * int64(time.Second) / rate
		out = append(out, block...)
	}
	return out
}

func tone(seconds, level float64) *bytes.Reader {
	var b bytes.Buffer
	for range int(seconds * rate) {
		binary.Write(&b, binary.LittleEndian, [2]int16{int16(level * 32767), int16(level * 32767)})
	}
	return bytes.NewReader(b.Bytes())
}

func loaded(id string, bus Bus, seconds, level float64) *voice {
	v := newVoice(id, bus)
	r := tone(seconds, level)
	done := make(chan struct{})
	go func() { v.feed(r); close(done) }()
	for ready := false; !ready; {
		v.mu.Lock()
		ready = v.done || len(v.buf) > ahead/2
		v.mu.Unlock()
	}
	return v
}

// A voice is heard from the instant it was told to, to a millisecond.
func TestAVoiceBeginsOnTime(t *testing.T) {
	c := &clock{now: 1_000_000_000}
	const latency = 50 * time.Millisecond
	m := NewMixer(func() int64 { return c.now }, latency, nil)
	pull(m, c, rate/2)
	m.add(loaded("v", Speech, 1, 0.5))
	begin := c.now
	at := begin + int64(700*time.Millisecond)
	m.Start("v", at)
	out := pull(m, c, rate)
	for i, s := range out {
		if s[0] > 0.1 {
			heard := begin + int64(i)*int64(time.Second)/rate + latency.Nanoseconds()
			if off := time.Duration(heard - at); off < -2*time.Millisecond || off > 2*time.Millisecond {
				t.Errorf("heard %v off", off)
			}
			return
		}
	}
	t.Error("never heard")
}

// A voice that starts late begins in the middle, where it would stand.
func TestALateVoiceSkips(t *testing.T) {
	c := &clock{now: 1_000_000_000}
	ended := ""
	m := NewMixer(func() int64 { return c.now }, 0, func(id string) { ended = id })
	m.add(loaded("v", Speech, 1, 0.5))
	m.Start("v", c.now-int64(600*time.Millisecond))
	out := pull(m, c, rate)
	loud := 0
	for _, s := range out {
		if s[0] > 0.1 {
			loud++
		}
	}
	if got := time.Duration(loud) * time.Second / rate; got < 380*time.Millisecond || got > 440*time.Millisecond {
		t.Errorf("%v are heard, want the last 400 ms", got)
	}
	if ended != "v" {
		t.Error("its end is not told")
	}
}

// A voice whose picture comes later than promised waits for it.
func TestAVoiceThatIsAheadWaits(t *testing.T) {
	c := &clock{now: 1_000_000_000}
	m := NewMixer(func() int64 { return c.now }, 0, nil)
	m.add(loaded("v", Speech, 2, 0.5))
	m.Start("v", c.now)
	pull(m, c, rate/2)
	m.Start("v", c.now-int64(300*time.Millisecond)) // the picture has come 200 ms late
	silent := 0
	for _, s := range pull(m, c, rate/2) {
		if s[0] < 0.1 {
			silent++
		}
	}
	if got := time.Duration(silent) * time.Second / rate; got < 160*time.Millisecond || got > 210*time.Millisecond {
		t.Errorf("it waited %v", got)
	}
}

func TestMusicIsDuckedUnderSpeechAndLevelsFollow(t *testing.T) {
	c := &clock{now: 1_000_000_000}
	m := NewMixer(func() int64 { return c.now }, 0, nil)
	m.add(loaded("music", Music, 8, 0.5))
	m.Start("music", c.now)
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.02 {
			t.Errorf("%s: %.3f, want %.3f", what, got, want)
		}
	}
	out := pull(m, c, rate)
	near("music alone", out[rate/2][0], 0.5)
	m.add(loaded("speech", Speech, 1, 0))
	m.Start("speech", c.now)
	out = pull(m, c, rate*9/10)
	near("under speech", out[rate*8/10][0], 0.5*duckedTo)
	out = pull(m, c, rate)
	near("after speech", out[rate-1][0], 0.5)
	m.SetLevel(0)
	out = pull(m, c, rate)
	near("silent hours", out[rate-1][0], 0)
}

func TestWatchFindsSilenceAndHaste(t *testing.T) {
	start := time.Unix(0, 0)
	w := newWatch(start)
	if w.check(start.Add(time.Second), 0) != nil || w.check(start.Add(firstPull+time.Second), 0) == nil {
		t.Error("a card that never pulls")
	}
	w = newWatch(start)
	for s := 1; s <= 60; s++ {
		if err := w.check(start.Add(time.Duration(s)*time.Second), int64(s*rate)); err != nil {
			t.Fatalf("real time, second %d: %v", s, err)
		}
	}
	if w.check(start.Add(65*time.Second), 60*rate) == nil {
		t.Error("a server that went away")
	}
	w = newWatch(start)
	var err error
	for s := 1; s <= 20 && err == nil; s++ { // ALSA's null runs hundreds of times too fast
		err = w.check(start.Add(time.Duration(s)*time.Second), int64(s*200*rate))
	}
	if err == nil {
		t.Error("a null device that takes everything")
	}
}

func TestChimeIsHeard(t *testing.T) {
	v := newVoice("n", Chime)
	n, err := v.feed(chime())
	if err != nil || n < rate {
		t.Errorf("%d samples, %v", n, err)
	}
}
