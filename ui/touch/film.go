package touch

import (
	"context"
	"image"
	"os"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/words"
	"cotmoc/player/decode"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/library"
)

// film is a video, a recording, or a page read by the machine, that a visitor plays. Its
// sound is heard through kiosk; the picture follows the clock from the moment at which it
// began.
type film struct {
	item   playlist.ID
	file   library.File
	aloud  *aloud        // nil but for a page read by the machine
	img    *canvas.Image // nil for what is only heard
	line   *text.Block   // the caption
	vtt    timeline.Captions
	at     time.Duration // where in the file it began last, or stands while it is paused
	began  time.Time     // when that was, while it plays
	speed  int           // of speeds
	run    bool
	ended  bool
	cancel context.CancelFunc
	done   chan struct{}
}

// Volumes of a film: steps that a visitor may take, within what the place allows.
const (
	firstLevel = 0.6
	levelStep  = 0.2
)

// speeds are those that a visitor may choose, as parts of the file's own.
var speeds = []float64{1, 1.25, 1.5, 0.75}

func (m *film) pace() float64 { return speeds[m.speed] }

// now is where in the file it stands.
func (m *film) now() time.Duration {
	if !m.run || m.began.IsZero() {
		return m.at
	}
	return max(m.at, m.at+time.Duration(float64(time.Since(m.began))*m.pace()))
}

// theatre is the page of a film: picture, caption and large controls.
func (a *App) theatre(p page, body library.Body, f library.File, head []fyne.CanvasObject) fyne.CanvasObject {
	if a.film == nil || a.film.item != p.item || a.film.file.SHA256 != f.SHA256 {
		a.stop()
		a.film = &film{item: p.item, file: f, line: text.New(string(body.Language), " ")}
		a.film.vtt = captions(body, a.visit.lang)
		if strings.HasPrefix(f.Type, "video/") {
			a.film.img = canvas.NewImageFromImage(image.NewRGBA(image.Rect(0, 0, 1, 1)))
			a.film.img.FillMode = canvas.ImageFillContain
		}
		a.play(0)
	}
	m := a.film
	m.line.TextSize, m.line.Centre, m.line.Bold = theme.SizeNameSubHeadingText, true, true
	bottom := container.NewVBox(m.line, a.controls(m))
	var middle fyne.CanvasObject
	if m.img != nil {
		middle = m.img
	} else {
		words := text.NewColumn(head...)
		if t := body.Text(); t != "" {
			words.Add(text.NewDocument(string(body.Language), t))
		}
		return container.NewBorder(nil, bottom, nil, nil, a.long(words))
	}
	return container.NewBorder(text.NewColumn(head...), bottom, nil, nil, middle)
}

// controls are the keys of whatever plays.
func (a *App) controls(m *film) fyne.CanvasObject {
	word := "pause"
	if !m.run {
		word = "play"
	}
	key := func(k, more string, f func()) fyne.CanvasObject {
		b := a.block(a.word(), words.In(a.word(), k)+more, theme.SizeNameText, "", false)
		b.Centre = true
		t := newTile(a.do(f), b)
		t.least = fyne.NewSize(a.o.Finger, 1.2*a.o.Finger)
		return t
	}
	all := []fyne.CanvasObject{
		key(word, "", func() {
			if m.run {
				a.pause()
			} else if m.ended {
				a.play(0)
			} else {
				a.play(m.at)
			}
		}),
		key("from_start", "", func() { a.play(0) }),
		key("speed", " "+words.Number(a.word(), m.pace())+"×", func() { a.faster() }),
		key("softer", "", func() { a.louder(-levelStep) }),
		key("louder", "", func() { a.louder(levelStep) })}
	return a.row(all...)
}

// faster goes on at the next speed.
func (a *App) faster() {
	m := a.film
	at := m.now()
	m.speed = (m.speed + 1) % len(speeds)
	if m.run {
		a.play(at)
	}
}

// captions reads the captions of a film: the visitor's language, else that of the film.
func captions(body library.Body, lang playlist.Language) timeline.Captions {
	file, ok := body.Captions[lang]
	if !ok {
		if file, ok = body.Captions[body.Language]; !ok {
			return nil
		}
	}
	f, err := os.Open(file.Path)
	if err != nil {
		return nil
	}
	defer f.Close()
	c, err := timeline.ParseVTT(f)
	if err != nil {
		return nil
	}
	return c
}

// louder changes the volume of what the visitor plays.
func (a *App) louder(by float64) {
	a.level = min(1, max(0, a.level+by))
	a.o.Host.Volume(a.level)
}

// SoundLead is how long before its first sound a film is announced, for its decoder to
// begin; the picture begins then as well.
const SoundLead = 300 * time.Millisecond

// play starts a film where it stands.
func (a *App) play(from time.Duration) {
	m := a.film
	m.halt()
	m.at, m.run, m.ended = from, true, false
	a.idle.play(true, a.o.Now())
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.done = cancel, make(chan struct{})
	if m.aloud != nil && m.file.Path == "" {
		m.began = time.Time{}
		go a.prepare(ctx, m, m.done)
		return
	}
	m.began = time.Now().Add(SoundLead)
	a.o.Host.Sound(m.file.Path, from, m.pace())
	a.o.Host.Volume(a.level)
	run := showing{began: m.began, from: from, pace: m.pace(), w: int(a.size.Width * a.pixels()), h: int(a.size.Height * 0.6 * a.pixels())}
	go func() {
		defer close(m.done)
		err := m.show(ctx, a.o.Do, run)
		a.o.Do(func() {
			if ctx.Err() == nil { // else it was begun anew, or left, in the meantime
				a.over(m, err)
			}
		})
	}()
}

// showing is one run of a film: it does not change while it runs.
type showing struct {
	began time.Time     // when from is due
	from  time.Duration // in the file
	pace  float64
	w, h  int // room for the picture, in pixels
}

// at is where in the file it stands; before from until it has begun.
func (s showing) at() time.Duration {
	return s.from + time.Duration(float64(time.Since(s.began))*s.pace)
}

// over is a film's end, by itself or because it cannot be shown.
func (a *App) over(m *film, err error) {
	if a.film != m || !m.run {
		return
	}
	m.run, m.ended = false, true
	a.idle.play(false, a.o.Now())
	a.o.Host.Sound("", 0, 1)
	if err != nil {
		a.said = words.In(a.word(), "cannot_show")
	}
	a.build()
}

func (a *App) pause() {
	m := a.film
	m.at = m.now()
	m.halt()
	m.run = false
	a.idle.play(false, a.o.Now())
	a.o.Host.Sound("", 0, 1)
}

// stop ends whatever plays.
func (a *App) stop() {
	if a.film == nil {
		return
	}
	a.film.halt()
	a.film.aloud.forget()
	a.film = nil
	a.idle.play(false, a.o.Now())
	a.o.Host.Sound("", 0, 1)
}

// halt ends the decoder and waits for it.
func (m *film) halt() {
	if m.cancel != nil {
		m.cancel()
		<-m.done
		m.cancel = nil
	}
}

// frameStep is how often a film looks for its next frame.
const frameStep = 10 * time.Millisecond

// show draws frames as they are due until the film ends.
func (m *film) show(ctx context.Context, do func(func()), s showing) error {
	if m.img == nil {
		return m.listen(ctx, do, s)
	}
	v, err := decode.OpenVideo(ctx, m.file.Path, decode.VideoOptions{Width: s.w, Height: s.h, Fit: playlist.Contain, Format: decode.RGBA, From: s.from})
	if err != nil {
		return err
	}
	defer v.Close()
	tick := time.NewTicker(frameStep)
	defer tick.Stop()
	for !v.Ended() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		at := s.at()
		f, _ := v.Newest(at)
		if f == nil {
			if _, err := v.Ready(); err != nil {
				return err
			}
			continue
		}
		img := image.NewRGBA(image.Rect(0, 0, v.Width, v.Height))
		copy(img.Pix, f.Pix)
		f.Release()
		line, _ := m.vtt.At(at)
		do(func() {
			m.img.Image = img
			m.img.Refresh()
			m.caption(line)
		})
	}
	return nil
}

// listen waits for a recording's end.
func (m *film) listen(ctx context.Context, do func(func()), s showing) error {
	long, err := decode.Length(ctx, m.file.Path)
	if err != nil {
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for at := s.from; at < long; at = s.at() {
		line, _ := m.vtt.At(at)
		do(func() { m.caption(line) })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (m *film) caption(line string) {
	if line == "" {
		line = " "
	}
	if m.line.Words() != line {
		m.line.Set(m.line.Lang, line)
	}
}
