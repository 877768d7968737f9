package touch

import (
	"image/color"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/corner"
	"cotmoc/internal/words"
	"cotmoc/playlist"
	"cotmoc/ui/text"
)

// pure and grey are the bars of the screen's test.
var (
	pure = []color.Color{color.White, color.NRGBA{R: 255, G: 255, A: 255}, color.NRGBA{G: 255, B: 255, A: 255}, color.NRGBA{G: 255, A: 255},
		color.NRGBA{R: 255, B: 255, A: 255}, color.NRGBA{R: 255, A: 255}, color.NRGBA{B: 255, A: 255}, color.Black}
	grey = []color.Color{color.Gray{0}, color.Gray{36}, color.Gray{73}, color.Gray{109}, color.Gray{146}, color.Gray{182}, color.Gray{219}, color.Gray{255}}
)

// moment writes an instant of the place's zone.
func (a *App) moment(t time.Time) string {
	return t.Format("15:04") + " · " + words.Date(a.staff.lang, t)
}

// machine tells how the machine stands, what plays and why, and offers what staff may do.
func (a *App) machine(p *corner.Page) fyne.CanvasObject {
	s := a.staff
	var all []fyne.CanvasObject
	head := func(key string) {
		rule := canvas.NewRectangle(theme.Color(theme.ColorNameButton))
		rule.SetMinSize(fyne.NewSize(1, 2))
		all = append(all, rule, a.staffSay(s.word(key), theme.SizeNameText, theme.ColorNamePrimary, true))
	}
	line := func(str string) { all = append(all, a.staffSay(str, theme.SizeNameText, "", false)) }
	head("clock")
	all = append(all, a.staffSay(p.Now.Format("15:04:05")+" · "+words.Date(s.lang, p.Now)+" · "+p.Zone, theme.SizeNameSubHeadingText, "", true))
	line(s.word("clock_" + p.Why))
	if !p.Trusted {
		all = append(all, a.staffKey("clock_right", func() { a.keep(); a.ask(corner.Order{Do: corner.Clock}) }))
	}
	head("plays")
	for _, l := range p.Layers {
		line(a.layer(l, p))
		for _, lost := range l.Losers {
			all = append(all, a.staffSay("– "+s.word("lost", "id", lost.ID, "why", s.word("rule_"+lost.Rule)), theme.SizeNameCaptionText, theme.ColorNamePlaceHolder, false))
		}
	}
	head("content")
	line(strings.Trim(p.Place+" · "+p.Device, " ·"))
	line(s.word("edition", "id", p.Edition))
	line(s.word("files", "n", words.Number(s.lang, p.Files), "lacking", words.Number(s.lang, p.Lacking), "damaged", words.Number(s.lang, p.Damaged)))
	all = append(all, a.linkLines(p)...)
	head("volume")
	all = append(all, a.volumeRow(p))
	head("stick")
	all = append(all, a.sticks(p)...)
	head("screen")
	all = append(all, a.staffKey("test", func() { a.keep(); s.test = true }))
	head("problems")
	for _, text := range p.Problems {
		line(text)
	}
	if len(p.Problems) == 0 {
		line(s.word("none"))
	}
	return text.NewColumn(all...)
}

// layer is a sentence: what plays on a layer, since when, until when.
func (a *App) layer(l corner.Layer, p *corner.Page) string {
	s := a.staff
	parts := []string{s.word("layer_" + l.Layer)}
	switch {
	case l.Winner == "default" && l.Playlist == "":
		parts = append(parts, s.word("nothing"))
	case l.Winner == "default":
		parts = append(parts, s.word("by_default", "list", l.Playlist))
	case strings.HasPrefix(l.Winner, playlist.NoticePrefix):
		parts = append(parts, s.word("by_notice", "id", strings.TrimPrefix(l.Winner, playlist.NoticePrefix)))
	default:
		parts = append(parts, s.word("by_schedule", "id", l.Winner, "list", l.Playlist))
	}
	if l.Shown != "" {
		parts = append(parts, s.word("now", "title", l.Shown))
	}
	if l.Next != nil {
		parts = append(parts, s.word("until", "t", a.moment(l.Next.In(p.Now.Location()))))
	}
	return strings.Join(parts, " · ")
}

// linkLines tell how the machine stands with its hub.
func (a *App) linkLines(p *corner.Page) (out []fyne.CanvasObject) {
	s := a.staff
	say := func(key string, pairs ...string) {
		out = append(out, a.staffSay(s.word(key, pairs...), theme.SizeNameText, "", false))
	}
	if p.Hub == "" {
		say("no_hub")
		return out
	}
	say(map[bool]string{true: "online", false: "offline"}[p.Online], "hub", p.Hub, "n", words.Number(s.lang, p.HubAge))
	if p.Synced.IsZero() {
		say("never_synced")
	} else {
		say("synced", "t", a.moment(p.Synced.In(p.Now.Location())))
	}
	say("outbox", "n", words.Number(s.lang, int(p.Outbox)))
	if p.Failed != "" {
		out = append(out, a.staffSay(p.Failed, theme.SizeNameCaptionText, theme.ColorNamePlaceHolder, false))
	}
	return out
}

// volumeStep is what one touch changes, in per cent.
const volumeStep = 10

func (a *App) volumeRow(p *corner.Page) fyne.CanvasObject {
	set := func(by int) func() {
		return func() {
			a.keep()
			a.ask(corner.Order{Do: corner.Volume, Level: min(100, max(0, p.Volume+by))})
		}
	}
	says := a.staffSay(a.staff.word("volume_is", "n", strconv.Itoa(p.Volume), "heard", strconv.Itoa(p.Heard)), theme.SizeNameText, "", false)
	return text.NewColumn(says, container.New(grid{columns: 2, gap: gap}, a.staffKey("quieter", set(-volumeStep)), a.staffKey("louder", set(volumeStep))))
}

// sticks offers an import from each stick, and tells of the one that goes on.
func (a *App) sticks(p *corner.Page) (out []fyne.CanvasObject) {
	s := a.staff
	say := func(key string, pairs ...string) {
		out = append(out, a.staffSay(s.word(key, pairs...), theme.SizeNameText, "", false))
	}
	t := p.Taking
	switch {
	case t == nil:
	case !t.Ended:
		say("taking", "done", words.Number(s.lang, t.Done), "total", words.Number(s.lang, t.Total))
		return out
	case t.Failed != "":
		say("not_taken")
		out = append(out, a.staffSay(t.Failed, theme.SizeNameCaptionText, theme.ColorNamePlaceHolder, false))
	default:
		say("taken", "id", t.Edition)
	}
	if len(p.Sticks) == 0 {
		say("no_stick")
	}
	for _, path := range p.Sticks {
		b := a.staffSay(s.word("import", "name", filepath.Base(path)), theme.SizeNameText, "", true)
		b.Centre = true
		k := newTile(a.do(func() { a.keep(); a.ask(corner.Order{Do: corner.Import, Path: path}) }), b)
		k.least = fyne.NewSize(a.o.Finger, a.o.Finger)
		out = append(out, k)
	}
	return out
}
