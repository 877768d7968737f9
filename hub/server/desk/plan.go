package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/playlist"
	"cotmoc/playlist/plan"
	"cotmoc/playlist/resolve"
)

// bytesOf is how much a display's machine must hold: every file of everything
// that may play on it.
func bytesOf(c *playlist.Catalogue, d playlist.Display) (n int64) {
	files := map[playlist.Hash]bool{}
	for item := range itemsOf(c, d) {
		for _, v := range c.Versions[item] {
			for _, h := range v.Files() {
				files[h] = true
			}
		}
	}
	for h := range files {
		n += c.Media[h].Bytes
	}
	return n
}

// itemsOf is everything that may play on a display.
func itemsOf(c *playlist.Catalogue, d playlist.Display) map[playlist.ID]bool {
	lists := map[playlist.ID]bool{}
	layouts := []playlist.Layout{c.LayoutOf(d)}
	for _, l := range playlist.Layers {
		lists[c.DefaultOf(d, l)] = true
	}
	for _, s := range c.Schedules {
		if c.Applies(s.Places, s.Displays, d) {
			lists[s.Playlist] = true
			layouts = append(layouts, c.Layouts[s.Layout])
		}
	}
	for _, l := range layouts {
		for _, z := range l.Zones {
			lists[z.Source.Playlist] = true
		}
	}
	items := map[playlist.ID]bool{}
	for id := range lists {
		for _, e := range c.Flatten(id) {
			items[e.Item] = true
		}
	}
	for _, m := range c.Mandatory {
		if c.Applies(m.Places, nil, d) {
			items[m.Item] = true
		}
	}
	return items
}

// everything is an inventory that holds every file: the hub answers for what
// will play once a kiosk has fetched it.
type everything struct{}

func (everything) Has(playlist.Hash) bool { return true }

// View is what plays, as planned now or as published last.
type View struct {
	Catalogue *playlist.Catalogue
	Held      []Held

	rows    playlist.Rows
	mu      sync.Mutex // a Planner keeps what it computed
	planner *plan.Planner
}

// planKinds are the kinds that a plan depends on.
var planKinds = []central.Kind{central.Places, central.Displays, central.Layouts, central.Items, central.Versions, central.Facts, central.Playlists,
	central.Schedules, central.Calendars, central.Mandatory, central.Notices, central.Files}

// Plans keeps the newest view until something changes.
type Plans struct {
	desk *Desk
	mu   sync.Mutex
	seqs [2][]int64
	view [2]*View

	compared [2]*View // by Unpublished
	differ   bool
}

// NewPlans makes a place to keep views of a desk's plan.
func NewPlans(d *Desk) *Plans { return &Plans{desk: d} }

// View returns the plan with everything approved so far, or only with what the
// newest editions hold.
func (p *Plans) View(ctx context.Context, published bool) (*View, error) {
	which := 0
	if published {
		which = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.desk.read(ctx, func(r central.Reader, places *tree) error {
		seqs, err := p.state(ctx, r, published)
		if err != nil || p.view[which] != nil && slices.Equal(seqs, p.seqs[which]) {
			return err
		}
		v := &View{}
		if published {
			if err = v.readPublished(ctx, r, places); err == nil {
				p.view[which], p.seqs[which] = v, seqs
			}
			return err
		}
		content, err := readApproved(ctx, r)
		if err != nil {
			return err
		}
		g, err := gather(ctx, r, places, "", content)
		if err != nil {
			return err
		}
		v.rows, v.Held = g.rows, g.held
		if v.Catalogue, err = v.asFarAsWhole(v.rows); err != nil {
			return err
		}
		v.planner = &plan.Planner{Catalogue: v.Catalogue, Files: everything{}}
		p.view[which], p.seqs[which] = v, seqs
		return nil
	})
	return p.view[which], err
}

// readPublished joins what the scopes have published, as kiosks do.
func (v *View) readPublished(ctx context.Context, r central.Reader, places *tree) error {
	var scopes []edition.Scoped
	v.rows = playlist.Rows{Format: playlist.Format}
	for _, id := range append([]playlist.ID{places.root}, slices.DeleteFunc(places.scopes(), func(id playlist.ID) bool { return id == places.root })...) {
		rows, err := publishedRows(ctx, r, id)
		if err != nil {
			return err
		}
		v.rows = join(v.rows, rows)
		scopes = append(scopes, edition.Scoped{Scope: id, Rows: rows})
	}
	v.Catalogue = &playlist.Catalogue{}
	if len(scopes[0].Rows.Places) > 0 {
		c, _, dropped, err := edition.Union(places.root, scopes)
		if err != nil {
			return err
		}
		v.Catalogue = c
		for _, d := range dropped {
			kind, id, _ := strings.Cut(d.Row, " ")
			v.Held = append(v.Held, Held{Kind: central.Kind(kind), ID: playlist.ID(id), Why: d.Why, Scope: d.Scope})
		}
	}
	v.planner = &plan.Planner{Catalogue: v.Catalogue, Files: everything{}}
	return nil
}

// Unpublished says whether anything that the screens would show differs from
// what the newest editions hold.
func (p *Plans) Unpublished(ctx context.Context) (bool, error) {
	planned, err := p.View(ctx, false)
	if err != nil {
		return false, err
	}
	published, err := p.View(ctx, true)
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.compared == [2]*View{planned, published} {
		return p.differ, nil
	}
	now := p.desk.Now()
	rows := planned.rows
	live := published.rows
	err = p.desk.Store.Read(ctx, func(r central.Reader) (err error) {
		if rows.Notices, err = counting(ctx, r, rows.Notices, now); err == nil {
			live.Notices, err = counting(ctx, r, live.Notices, now)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	seen := map[playlist.Hash]bool{} // two scopes may name one file
	live.Media = slices.DeleteFunc(slices.Clone(live.Media), func(m playlist.Media) bool { twice := seen[m.SHA256]; seen[m.SHA256] = true; return twice })
	a, err := edition.Rows(rows)
	if err != nil {
		return false, err
	}
	b, err := edition.List(live)
	if err != nil {
		return false, err
	}
	if feed.Sort(b) != nil { // a place that moves stands in two editions for a while
		p.compared, p.differ = [2]*View{planned, published}, true
		return true, nil
	}
	p.compared, p.differ = [2]*View{planned, published}, feed.Sum(a) != feed.Sum(b)
	return p.differ, nil
}

// asFarAsWhole makes a catalogue of what holds together. One office's slip must
// not take the plan from all others: its rows are set aside, and said to be.
func (v *View) asFarAsWhole(rows playlist.Rows) (*playlist.Catalogue, error) {
	for {
		c, err := playlist.NewCatalogue(rows)
		if err == nil {
			return c, nil
		}
		bad := map[string]bool{}
		for _, e := range problems(err) {
			kind, rest, _ := strings.Cut(strings.TrimPrefix(e.Where, "gate "), " ")
			id, _, _ := strings.Cut(strings.TrimSuffix(rest, ":"), " ")
			id = strings.TrimSuffix(id, ":")
			if !bad[kind+" "+id] {
				v.Held = append(v.Held, Held{Kind: central.Kind(kind), ID: playlist.ID(id), Why: e.Detail})
			}
			bad[kind+" "+id] = true
		}
		before := count(rows)
		rows = without(rows, bad)
		if count(rows) == before {
			return nil, fmt.Errorf("the plan is not whole: %w", err)
		}
	}
}

func problems(err error) (out []*playlist.Error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, problems(e)...)
		}
		return out
	}
	if e, ok := errors.AsType[*playlist.Error](err); ok {
		out = append(out, e)
	}
	return out
}

func count(r playlist.Rows) int {
	return len(r.Places) + len(r.Calendars) + len(r.Displays) + len(r.Layouts) + len(r.Items) + len(r.Versions) + len(r.Facts) + len(r.Playlists) + len(r.Schedules) + len(r.Mandatory) + len(r.Notices) + len(r.Media)
}

// without leaves out rows by "kind id".
func without(r playlist.Rows, bad map[string]bool) playlist.Rows {
	is := func(kind string, id playlist.ID) bool { return bad[kind+" "+string(id)] }
	r.Places = slices.DeleteFunc(slices.Clone(r.Places), func(x playlist.Place) bool { return is("place", x.ID) })
	r.Calendars = slices.DeleteFunc(slices.Clone(r.Calendars), func(x playlist.Calendar) bool { return is("calendar", x.ID) })
	r.Displays = slices.DeleteFunc(slices.Clone(r.Displays), func(x playlist.Display) bool { return is("display", x.ID) })
	r.Layouts = slices.DeleteFunc(slices.Clone(r.Layouts), func(x playlist.Layout) bool { return is("layout", x.ID) })
	r.Items = slices.DeleteFunc(slices.Clone(r.Items), func(x playlist.Item) bool { return is("item", x.ID) })
	r.Versions = slices.DeleteFunc(slices.Clone(r.Versions), func(x playlist.Version) bool { return is("version", x.ID) })
	r.Facts = slices.DeleteFunc(slices.Clone(r.Facts), func(x playlist.GateFact) bool { return is("fact", x.ID) })
	r.Playlists = slices.DeleteFunc(slices.Clone(r.Playlists), func(x playlist.Playlist) bool { return is("playlist", x.ID) })
	r.Schedules = slices.DeleteFunc(slices.Clone(r.Schedules), func(x playlist.Schedule) bool { return is("schedule", x.ID) })
	r.Mandatory = slices.DeleteFunc(slices.Clone(r.Mandatory), func(x playlist.Mandatory) bool { return is("mandatory", x.ID) })
	r.Notices = slices.DeleteFunc(slices.Clone(r.Notices), func(x playlist.Notice) bool { return is("notice", x.ID) })
	r.Media = slices.DeleteFunc(slices.Clone(r.Media), func(x playlist.Media) bool { return is("media", playlist.ID(x.SHA256)) })
	return r
}

func (p *Plans) state(ctx context.Context, r central.Reader, published bool) ([]int64, error) {
	if published {
		newest, err := r.Editions(ctx, "", 1000)
		out := []int64{-1}
		for _, e := range newest {
			out = append(out, e.At.UnixMilli(), e.Number)
		}
		return out, err
	}
	var out []int64
	for _, k := range planKinds {
		n, err := r.Seq(ctx, k)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// Decision is what one layer of a display shows, and for a list what it holds.
type Decision struct {
	plan.Decision
	Owner  playlist.ID `json:"owner,omitempty"`  // who scheduled the winner
	Notice playlist.ID `json:"notice,omitempty"` // that covers it
}

// At says what plays on every layer of a display at an instant, and why.
func (v *View) At(display playlist.ID, at time.Time) ([]Decision, error) {
	d, ok := v.Catalogue.Displays[display]
	if !ok {
		return nil, fmt.Errorf("display %q: %w", display, central.ErrNotFound)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	m := plan.Moment{At: at, Trusted: true, Notices: v.noticesFor(d)}
	var out []Decision
	for _, l := range playlist.Layers {
		dec := Decision{Decision: v.planner.Decide(d, l, m, true)}
		if w := dec.Answer.Winner; w != nil {
			dec.Owner = w.Owner
		}
		if n := dec.Answer.Notice; n != nil {
			dec.Notice, dec.Owner = n.ID, n.Owner
		}
		out = append(out, dec)
	}
	return out, nil
}

func (v *View) noticesFor(d playlist.Display) []resolve.Notice {
	var out []resolve.Notice
	for _, n := range v.Catalogue.Notices {
		if v.Catalogue.Applies(n.Places, nil, d) {
			out = append(out, resolve.Notice{Notice: n})
		}
	}
	return out
}

// Stretch is a time in which one thing plays on a layer.
type Stretch struct {
	Start    time.Time     `json:"start"`
	End      time.Time     `json:"end"`
	Schedule playlist.ID   `json:"schedule,omitempty"` // empty: the default playlist
	Notice   playlist.ID   `json:"notice,omitempty"`
	Playlist playlist.ID   `json:"playlist,omitempty"`
	Owner    playlist.ID   `json:"owner,omitempty"`
	Gap      bool          `json:"gap,omitempty"`      // nothing is scheduled
	Overlaps []playlist.ID `json:"overlaps,omitempty"` // schedules that this one beats somewhere in it
}

// MaxStretches is how many changes one answer lists.
const MaxStretches = 4000

// MaxRange is how long a time may be asked about at once.
const MaxRange = 62 * 24 * time.Hour

// Range says what plays on a layer of a display from one instant to another,
// with gaps in which only the default playlist plays, and what is beaten.
func (v *View) Range(display playlist.ID, layer playlist.Layer, from, until time.Time) ([]Stretch, error) {
	d, ok := v.Catalogue.Displays[display]
	if !ok {
		return nil, fmt.Errorf("display %q: %w", display, central.ErrNotFound)
	}
	if !from.Before(until) || until.Sub(from) > MaxRange {
		return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "range", Detail: "it ends after it begins, and at most 62 days later"}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []Stretch
	segments, ok := v.planner.Range(d, layer, v.noticesFor(d), from, until, MaxStretches)
	if !ok {
		return nil, &playlist.Error{Code: playlist.CodeRefused, Where: "range", Detail: fmt.Sprintf("the layer changes more than %d times in it: ask for a shorter time", MaxStretches)}
	}
	for _, s := range segments {
		x := Stretch{Start: s.Start, End: s.End}
		switch {
		case s.Notice != nil:
			x.Notice, x.Owner = s.Notice.ID, s.Notice.Owner
		case s.Winner != nil:
			x.Schedule, x.Playlist, x.Owner = s.Winner.ID, s.Winner.Playlist, s.Winner.Owner
		default:
			x.Gap, x.Playlist = true, v.Catalogue.DefaultOf(d, layer)
		}
		x.Overlaps = s.Beaten
		out = append(out, x)
	}
	return out, nil
}

// Preflight is what a publication would bring.
type Preflight struct {
	Scope    playlist.ID        `json:"scope"`
	Displays []DisplayPreflight `json:"displays"`
	Held     []Held             `json:"held,omitempty"`
}

// DisplayPreflight is what it would bring to one display.
type DisplayPreflight struct {
	Display playlist.ID      `json:"display"`
	Place   playlist.ID      `json:"place"`
	Items   int              `json:"items"`
	Bytes   int64            `json:"bytes"`
	Quota   int64            `json:"quota,omitempty"`
	TooMuch bool             `json:"too_much,omitempty"`
	Lacks   []LanguageLacked `json:"lacks,omitempty"` // languages of the place that an item does not have
}

// LanguageLacked counts the items that a display shows in another language.
type LanguageLacked struct {
	Language playlist.Language `json:"language"`
	Items    int               `json:"items"`
	Example  playlist.ID       `json:"example"`
}

// Preflight looks at what publishing a scope would do to the displays of its
// places.
func (v *View) Preflight(scope playlist.ID) (Preflight, error) {
	p := Preflight{Scope: scope, Displays: []DisplayPreflight{}}
	if _, ok := v.Catalogue.Places[scope]; !ok {
		return p, fmt.Errorf("place %q: %w", scope, central.ErrNotFound)
	}
	c := v.Catalogue
	for _, id := range c.DisplayOrder {
		d := c.Displays[id]
		if !c.Within(d.Place, scope) {
			continue
		}
		items := itemsOf(c, d)
		row := DisplayPreflight{Display: id, Place: d.Place, Items: len(items), Bytes: bytesOf(c, d), Quota: int64(d.QuotaMB) * 1e6}
		row.TooMuch = row.Quota > 0 && row.Bytes > row.Quota
		row.Lacks = lacking(c, items, c.LanguagesOf(d.Place))
		p.Displays = append(p.Displays, row)
	}
	slices.SortFunc(p.Displays, func(a, b DisplayPreflight) int { return cmp.Compare(a.Display, b.Display) })
	p.Held = append(p.Held, v.Held...)
	return p, nil
}

func lacking(c *playlist.Catalogue, items map[playlist.ID]bool, languages []playlist.Language) []LanguageLacked {
	ids := make([]playlist.ID, 0, len(items))
	for id := range items {
		if c.Items[id].Kind != playlist.Fact && id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var out []LanguageLacked
	for _, l := range languages {
		lack := LanguageLacked{Language: l}
		for _, id := range ids {
			has := slices.ContainsFunc(c.Versions[id], func(v playlist.Version) bool {
				return v.State == playlist.Published && (v.Language == l || v.Language == playlist.Wordless)
			})
			if !has {
				lack.Items++
				if lack.Example == "" {
					lack.Example = id
				}
			}
		}
		if lack.Items > 0 {
			out = append(out, lack)
		}
	}
	return out
}
