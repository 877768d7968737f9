package touch

import (
	"context"
	"image"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/typeset"
	"cotmoc/internal/words"
	"cotmoc/player/decode"
	"cotmoc/playlist"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/library"
)

// item shows one item: what it says, its pictures, its film or its sound.
func (a *App) item(p page) fyne.CanvasObject {
	e, ok := a.lib.Find(p.item, a.now())
	if !ok {
		return a.long(a.say("withdrawn", theme.SizeNameSubHeadingText))
	}
	v, fallback := e.In(a.visit.lang, a.lib.Languages)
	body, err := a.lib.Open(context.Background(), v)
	if err != nil {
		return a.long(a.say("cannot_show", theme.SizeNameSubHeadingText))
	}
	var head []fyne.CanvasObject
	if fallback != "" {
		note := a.block(a.word(), words.In(a.word(), "fallback", "l", words.LanguageName(string(a.visit.lang)))+" · "+words.LanguageName(string(fallback)),
			theme.SizeNameText, theme.ColorNamePrimary, true)
		head = append(head, note)
	}
	if body.Title != "" {
		head = append(head, text.NewTitle(string(body.Language), body.Title))
	}
	if f, ok := playable(body); ok {
		return a.theatre(p, body, f, head)
	}
	if len(body.Files) > 1 && body.Text() == "" || e.Kind == playlist.Document && len(body.Files) > 0 {
		return a.leaves(p, body.Files, head)
	}
	for _, f := range body.Files {
		head = append(head, a.picture(f))
	}
	foot := a.foot(e)
	if t := body.Text(); len(t) > wholeText {
		return a.book(p, body, head, foot)
	} else if t != "" {
		head = append(head, text.NewDocument(string(body.Language), t))
	}
	return a.long(text.NewColumn(append(head, foot...)...))
}

// foot says where an item comes from, and how to take it along.
func (a *App) foot(e library.Entry) (rest []fyne.CanvasObject) {
	if e.Source != "" {
		rest = append(rest, a.block(a.word(), words.In(a.word(), "source", "s", e.Source), theme.SizeNameCaptionText, theme.ColorNamePlaceHolder, false))
	}
	if e.PublicURL != "" {
		rest = append(rest, a.code(e.PublicURL))
	}
	return rest
}

// playable returns the file of a version that is seen in time or heard.
func playable(b library.Body) (library.File, bool) {
	for _, f := range b.Files {
		if strings.HasPrefix(f.Type, "video/") || strings.HasPrefix(f.Type, "audio/") {
			return f, true
		}
	}
	return library.File{}, false
}

// picture shows a still picture as large as the page's width and most of its height
// take.
func (a *App) picture(f library.File) fyne.CanvasObject {
	scale := a.pixels()
	w, h := a.size.Width-4*a.o.Finger, a.size.Height*0.6
	img, err := decode.Picture(f.Path, int(w*scale), int(h*scale), playlist.Contain)
	if err != nil {
		return a.say("cannot_show", theme.SizeNameText)
	}
	return still(img, scale)
}

// still shows a picture at its own size.
func still(img image.Image, scale float32) fyne.CanvasObject {
	c := canvas.NewImageFromImage(img)
	c.FillMode = canvas.ImageFillContain
	c.SetMinSize(fyne.NewSize(100, float32(img.Bounds().Dy())/scale))
	return container.NewPadded(c)
}

// marked reads a text whose hit is marked by **.
func marked(s string) (out []typeset.Span) {
	for i, part := range strings.Split(s, "**") {
		if part != "" {
			out = append(out, typeset.Span{Text: part, Bold: i%2 == 1})
		}
	}
	return out
}
