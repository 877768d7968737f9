package touch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/words"
	"cotmoc/player/speech"
	"cotmoc/playlist"
	"cotmoc/ui/text"
)

// aloud is a page that the machine reads. What it says lies in a file while it is heard,
// and nowhere when the page is left.
type aloud struct {
	lang playlist.Language
	text string
	dir  string
	path string
}

// spoken is how the files are named that a page is read into.
const spoken = "spoken-*.wav"

// clearSpoken removes what an earlier run that was killed has left.
func clearSpoken(dir string) error {
	if dir == "" {
		return nil
	}
	left, err := filepath.Glob(filepath.Join(dir, spoken))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("left from an earlier run: %w", err)
	}
	return nil
}

func (s *aloud) make(ctx context.Context) error {
	s.forget()
	f, err := os.CreateTemp(s.dir, spoken)
	if err != nil {
		return fmt.Errorf("read aloud: %w", err)
	}
	s.path = f.Name()
	return errors.Join(f.Close(), speech.Write(ctx, s.lang, s.text, s.path))
}

func (s *aloud) forget() {
	if s != nil && s.path != "" {
		_ = os.Remove(s.path) // what stays is removed at the next start
	}
}

// prepare has a page read into its file, and begins to play it.
func (a *App) prepare(ctx context.Context, m *film, done chan struct{}) {
	err := m.aloud.make(ctx)
	close(done)
	a.o.Do(func() {
		switch {
		case ctx.Err() != nil || a.film != m || !m.run: // left, or begun anew, in the meantime
		case err != nil:
			a.over(m, err)
		default:
			m.file.Path = m.aloud.path
			a.play(m.at)
		}
	})
}

// readable is what of the page can be read aloud to the visitor: "" for nothing, where
// something plays anyway, or where there is no voice.
func (a *App) readable() string {
	if a.o.Scratch == "" || a.pane == nil || a.film != nil && a.film.aloud == nil || !speech.Has(a.visit.lang) {
		return ""
	}
	var b strings.Builder
	a.collect(a.pane.scroll.Content, &b)
	return b.String()
}

// collect gathers a page's words from top to bottom: those of the visitor's language, and
// figures.
func (a *App) collect(o fyne.CanvasObject, to *strings.Builder) {
	switch o := o.(type) {
	case *text.Block:
		if w := o.Words(); o.Visible() && (o.Lang == string(a.visit.lang) || strings.IndexFunc(w, unicode.IsLetter) < 0) && strings.TrimSpace(w) != "" {
			to.WriteString(w + "\n\n")
		}
	case *tile:
		for _, b := range o.blocks {
			a.collect(b, to)
		}
	case *fyne.Container:
		for _, c := range o.Objects {
			a.collect(c, to)
		}
	}
}

// read begins to read the page, or ends it.
func (a *App) read(words string) {
	if a.film != nil {
		a.keep()
		a.stop()
		return
	}
	a.keep()
	a.film = &film{aloud: &aloud{lang: a.visit.lang, text: words, dir: a.o.Scratch}, line: text.New(string(a.visit.lang), " ")}
	a.play(0)
}

// reading is the row of controls while a page is read: it says that this is a machine.
func (a *App) reading() fyne.CanvasObject {
	note := a.block(a.word(), words.In(a.word(), "machine_voice"), theme.SizeNameText, theme.ColorNamePrimary, true)
	note.Centre = true
	return container.NewVBox(space(gap/2), note, a.controls(a.film))
}
