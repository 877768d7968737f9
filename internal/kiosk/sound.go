package kiosk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

// soundDesk relays the stage's announcements to the sound child, runs the
// audio layer's list, and sets the volume by daypart. The picture never waits
// for it.
type soundDesk struct {
	k     *Kiosk
	child *supervise.Child

	mu      sync.Mutex
	conn    *link.Conn
	playing map[string]link.Message // started voices by id, as they were started
	level   float64                 // of the place at this hour; less than 0: not known yet
	chosen  float64                 // a visitor's part of it
	music   []string                // files of the audio layer
	list    playlist.ID
	at      int // the one that plays
	id      int
	misses  int
}

func newSoundDesk(k *Kiosk) *soundDesk {
	d := &soundDesk{k: k, playing: map[string]link.Message{}, level: -1, chosen: 1}
	path := filepath.Join(k.cfg.Binaries, "sound")
	if _, err := os.Stat(path); err == nil && !k.cfg.NoChildren {
		d.child = &supervise.Child{Name: "sound", Path: path, Dir: filepath.Join(k.cfg.Dir, "run")}
	}
	return d
}

// Serve keeps the child running.
func (d *soundDesk) Serve(ctx context.Context) error {
	if d.child == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	d.child.Args = []string{"--socket", d.k.socket()}
	return d.child.Serve(ctx)
}

func (d *soundDesk) send(m link.Message) {
	if d.conn != nil {
		d.conn.Post(m)
	}
}

// serve talks with the sound child until it goes. What should be heard now is
// begun where it stands.
func (d *soundDesk) serve(c *link.Conn, hello link.Message) {
	d.mu.Lock()
	d.conn = c
	if d.child != nil {
		d.child.Hello(hello.PID)
	}
	d.gain()
	for id, m := range d.playing {
		if strings.HasPrefix(id, "music-") {
			delete(d.playing, id)
			continue
		}
		d.catchUp(id, m)
	}
	d.misses = 0
	d.nextSong(0)
	d.mu.Unlock()
	for {
		m, err := c.Receive()
		if err != nil {
			break
		}
		d.hear(m)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == c {
		d.conn = nil
		if d.child != nil {
			d.child.Gone()
		}
	}
}

func (d *soundDesk) hear(m link.Message) {
	if d.child != nil && m.Kind == link.PositionAt {
		d.child.Beat(m.Routines)
	}
	d.mu.Lock()
	_, known := d.playing[m.ID]
	switch {
	case m.Kind == link.Ended && known, m.Kind == link.Fault && known:
		delete(d.playing, m.ID)
		if strings.HasPrefix(m.ID, "music-") {
			if m.Kind == link.Fault {
				d.misses++
			} else {
				d.misses = 0
			}
			if d.misses < len(d.music) || len(d.music) == 0 {
				d.nextSong(1)
			}
		}
	}
	d.mu.Unlock()
	if m.Kind == link.Fault {
		d.k.fault("sound", m.Reason)
	}
}

func voiceID(display playlist.ID, s *link.Showing) string { return string(display) + "/" + s.ID }

// upcoming prepares a showing's sound and lets it begin when it was promised.
func (d *soundDesk) upcoming(display playlist.ID, m link.Message) {
	if m.Showing.Sound == "" || stale(m) {
		return
	}
	d.mu.Lock()
	_, known := d.playing[voiceID(display, m.Showing)]
	d.mu.Unlock()
	if !known {
		d.begin(voiceID(display, m.Showing), m.Showing.Sound, "speech", m.At)
	}
}

// shown corrects the start to when the picture really came.
//
// A stage that plays on while kiosk was started again says what is still on
// the screen: its sound is taken up where the picture stands.
func (d *soundDesk) shown(display playlist.ID, m link.Message) {
	still := m.Reason == "still"
	if m.Showing.Sound == "" || !still && stale(m) {
		return
	}
	if still || m.Showing.SoundMS > 0 { // it goes on after a notice, say
		d.resume(voiceID(display, m.Showing), m.Showing)
		return
	}
	d.mu.Lock()
	id := voiceID(display, m.Showing)
	_, known := d.playing[id]
	if known {
		v := d.playing[id]
		v.At = m.At
		d.playing[id] = v
		d.send(link.Message{Kind: link.Start, ID: id, At: m.At + lasts(v)}) // it may have been taken up in the middle
	}
	d.mu.Unlock()
	if !known {
		d.begin(id, m.Showing.Sound, "speech", m.At)
	}
}

// stale tells what a stage says of long ago: it kept its words while kiosk was
// away. A burst of old sounds would be decoded beside the running picture.
func stale(m link.Message) bool { return link.Mono()-m.At > int64(5*time.Second) }

func (d *soundDesk) resume(id string, s *link.Showing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.playing[id]; known {
		return
	}
	m := link.Message{Kind: link.Prepare, ID: id, Path: s.Sound, Bus: "speech", At: s.StartMono - s.SoundMS*1e6}
	d.playing[id] = m
	d.catchUp(id, m)
}

// catchUp starts a voice in the middle, where its picture will stand when the
// decoder is ready.
func (d *soundDesk) catchUp(id string, m link.Message) {
	resumed := m
	resumed.From = int64(float64(max(0, (link.Mono()-m.At)/1e6)+1500) * speed(m))
	d.playing[id] = resumed
	d.send(resumed)
	d.send(link.Message{Kind: link.Start, ID: id, At: m.At + lasts(resumed)})
}

// speed is how fast a voice is played, as a part of its own speed.
func speed(m link.Message) float64 {
	if m.Speed == 0 {
		return 1
	}
	return m.Speed
}

// lasts is how long a voice takes, in nanoseconds, to where it is begun.
func lasts(m link.Message) int64 { return int64(float64(m.From*1e6) / speed(m)) }

// silence ends the voices of a display whose stage has gone.
func (d *soundDesk) silence(display playlist.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.playing {
		if strings.HasPrefix(id, string(display)+"/") {
			delete(d.playing, id)
			d.send(link.Message{Kind: link.Stop, ID: id})
		}
	}
}

func (d *soundDesk) begin(id, path, bus string, at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := link.Message{Kind: link.Prepare, ID: id, Path: path, Bus: bus, At: at}
	d.playing[id] = m
	d.send(m)
	d.send(link.Message{Kind: link.Start, ID: id, At: at})
}

func (d *soundDesk) ended(display playlist.ID, m link.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := voiceID(display, m.Showing)
	if _, ok := d.playing[id]; ok {
		delete(d.playing, id)
		d.send(link.Message{Kind: link.Stop, ID: id})
	}
}

// announce plays a notice's own sound, or the chime.
// What a covered video says stops with its picture.
func (d *soundDesk) announce(notice, path string) {
	d.mu.Lock()
	for id := range d.playing {
		if !strings.HasPrefix(id, "music-") && !strings.HasPrefix(id, "notice-") {
			delete(d.playing, id)
			d.send(link.Message{Kind: link.Stop, ID: id})
		}
	}
	d.mu.Unlock()
	d.begin("notice-"+notice, path, "chime", link.Mono()+int64(300*time.Millisecond))
}

// follow sets the volume for a display's hour and its audio layer's list.
func (d *soundDesk) follow(display playlist.Display, plan []Decision, m Moment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	level := float64(display.Sound.Volume) / 100
	if m.Trusted {
		level = float64(display.Sound.LevelAt(m.At.In(d.k.composer.Catalogue.ZoneOf(display.Place)))) / 100
	}
	if level != d.level {
		d.level = level
		d.gain()
	}
	for _, dec := range plan {
		if dec.Layer != playlist.Audio {
			continue
		}
		songs := d.k.composer.songs(display, dec.Playlist, m)
		if dec.Playlist == d.list && slices.Equal(songs, d.music) {
			return
		}
		if dec.Playlist == d.list && d.at < len(songs) && d.at < len(d.music) && songs[d.at] == d.music[d.at] {
			d.music = songs // what plays goes on
			return
		}
		for id := range d.playing {
			if strings.HasPrefix(id, "music-") {
				delete(d.playing, id)
				d.send(link.Message{Kind: link.Stop, ID: id})
			}
		}
		d.music, d.list, d.at, d.misses = songs, dec.Playlist, 0, 0
		d.nextSong(0)
	}
}

// nextSong starts the song that is step further in the list.
func (d *soundDesk) nextSong(step int) {
	if len(d.music) == 0 || d.conn == nil {
		return
	}
	d.at = (d.at + step) % len(d.music)
	d.id++
	id := fmt.Sprintf("music-%d", d.id)
	m := link.Message{Kind: link.Prepare, ID: id, Path: d.music[d.at], Bus: "music", At: link.Mono() + int64(500*time.Millisecond)}
	d.playing[id] = m
	d.send(m)
	d.send(link.Message{Kind: link.Start, ID: id, At: m.At})
}

func (d *soundDesk) quit() []*supervise.Child {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.child == nil {
		return nil
	}
	d.child.Retire()
	d.send(link.Message{Kind: link.Quit})
	return []*supervise.Child{d.child}
}

// songs lists the sound files of an audio playlist that can play now.
func (c *Composer) songs(d playlist.Display, list playlist.ID, m Moment) []string {
	var out []string
	for n, e := range c.Catalogue.Flatten(list) {
		entry, ok := c.entry(e, n, nil, d, m)
		if !ok {
			continue
		}
		for _, v := range entry.Versions {
			if len(v.Media) > 0 && strings.HasPrefix(v.Media[0].Type, "audio/") {
				out = append(out, v.Media[0].Path)
				break
			}
		}
	}
	return out
}

// visitor lets a visitor's film or recording be heard instead of the music, or ends it.
func (d *soundDesk) visitor(m link.Message) {
	const id = "visitor"
	d.mu.Lock()
	if _, playing := d.playing[id]; playing {
		delete(d.playing, id)
		d.send(link.Message{Kind: link.Stop, ID: id})
	}
	d.mu.Unlock()
	if m.Path == "" {
		d.visitorLevel(1)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// At is when From is to be heard: the picture begins then as well.
	voice := link.Message{Kind: link.Prepare, ID: id, Path: m.Path, Bus: "speech", From: m.From, Speed: m.Speed}
	voice.At = m.At - lasts(voice)
	d.playing[id] = voice
	d.send(voice)
	d.send(link.Message{Kind: link.Start, ID: id, At: m.At})
}

// visitorLevel is the volume that a visitor chose, as a part of what the place allows.
func (d *soundDesk) visitorLevel(part float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chosen = min(1, max(0, part))
	d.gain()
}

// louder goes by what staff at the machine have set.
func (d *soundDesk) louder() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gain()
}

// heard is the volume now without a visitor's part, 0 to 1.
func (d *soundDesk) heard() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(0, d.level) * d.k.staff.part()
}

// gain tells the volume: the place's, as staff and visitor have it. The lock is held.
func (d *soundDesk) gain() {
	if d.level >= 0 { // else nobody knows yet what the place allows
		d.send(link.Message{Kind: link.Gain, Level: d.level * d.k.staff.part() * d.chosen})
	}
}
