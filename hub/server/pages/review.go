package pages

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cotmoc/hub/server/api"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

func (p *pages) queue(w http.ResponseWriter, r *http.Request, v *view) error {
	rows, err := p.Desk.Queue(r.Context(), v.by)
	if err != nil {
		return err
	}
	v.Title, v.Here, v.Data = v.T("review"), "review", rows
	p.show(w, v, http.StatusOK, "queue")
	return nil
}

// shownFile is a file as a reviewer sees it.
type shownFile struct {
	Show, Address, Poster, Name string
}

// pair is a field of a row: what it is to become, and what is shown now where
// that differs.
type pair struct{ Name, Value, Before string }

type oneData struct {
	Waiting desk.Waiting
	Authors []string
	Version *desk.Version
	Files   []shownFile
	Rows    []pair // of an item or gate fact
	Diff    *desk.Comparison
	Remarks desk.Remarks
	Reasons []workflow.Reason
}

func (p *pages) one(w http.ResponseWriter, r *http.Request, v *view) error {
	kind, id := central.Kind(r.PathValue("kind")), playlist.ID(r.PathValue("id"))
	queue, err := p.Desk.Queue(r.Context(), v.by)
	if err != nil {
		return err
	}
	d := oneData{Reasons: workflow.Reasons}
	at := slices.IndexFunc(queue, func(q desk.Waiting) bool { return q.Kind == kind && q.ID == id })
	if at >= 0 {
		d.Waiting = queue[at]
	}
	switch kind {
	case central.Versions:
		err = p.version(v, id, &d)
	case central.Items, central.Facts, central.Notices:
		err = p.object(v, kind, id, &d)
	default:
		err = central.ErrNotFound
	}
	if err != nil {
		return err
	}
	for _, a := range d.Waiting.Authors {
		d.Authors = append(d.Authors, v.Who(a))
	}
	v.Title, v.Here, v.Data = d.Waiting.Title, "review", d
	p.show(w, v, http.StatusOK, "one")
	return nil
}

func (p *pages) version(v *view, id playlist.ID, d *oneData) error {
	doc, version, err := p.Desk.Version(v.ctx, v.by, id)
	if err != nil {
		return err
	}
	diff, err := p.Desk.Diff(v.ctx, v.by, id)
	if err != nil {
		return err
	}
	if d.Remarks, err = p.Desk.Remarks(v.ctx, v.by, id); err != nil {
		return err
	}
	d.Version, d.Diff = &version, &diff
	item, err := p.Desk.Row(v.ctx, v.by, central.Items, version.Item)
	if err != nil {
		return err
	}
	if d.Rows, err = fields(v, central.Items, item); err != nil {
		return err
	}
	if d.Waiting.ID == "" { // it does not wait any more, or not for this person
		d.Waiting = desk.Waiting{Kind: central.Versions, ID: id, Rev: doc.Rev, Owner: doc.Owner, Language: version.Language, Title: version.Title, Authors: version.Authors}
	}
	for _, h := range version.Files() {
		f, err := p.Desk.File(v.ctx, h)
		if err != nil {
			return err
		}
		d.Files = append(d.Files, shown(f)...)
	}
	return nil
}

// shown is what a reviewer sees of a file: what the screens will show.
func shown(f desk.File) []shownFile {
	address := func(h playlist.Hash) string { return api.Prefix + "/files/" + string(h) }
	if len(f.Pages) > 0 {
		var out []shownFile
		for n, h := range f.Pages {
			out = append(out, shownFile{Show: "picture", Address: address(h), Name: fmt.Sprintf("%s %d", f.Name, n+1)})
		}
		return out
	}
	s := shownFile{Address: address(f.SHA256), Name: f.Name}
	kind, _, _ := strings.Cut(f.Type, "/")
	switch kind {
	case "image":
		s.Show = "picture"
	case "video":
		s.Show = "video"
		if h := f.Renditions["720p"]; h != "" {
			s.Address = address(h)
		}
		if h := f.Renditions["poster"]; h != "" {
			s.Poster = address(h)
		}
	case "audio":
		s.Show = "sound"
		if h := f.Renditions["sound"]; h != "" {
			s.Address = address(h)
		}
	}
	return []shownFile{s}
}

func (p *pages) object(v *view, kind central.Kind, id playlist.ID, d *oneData) error {
	doc, shown, err := p.Desk.Shown(v.ctx, v.by, kind, id)
	if err != nil {
		return err
	}
	if d.Waiting.ID == "" {
		d.Waiting = desk.Waiting{Kind: kind, ID: id, Rev: doc.Rev, Owner: doc.Owner, Title: string(id)}
	}
	d.Rows, err = fields(v, kind, doc)
	if err != nil || shown == nil || shown.Rev == doc.Rev {
		return err
	}
	before, err := fields(v, kind, *shown)
	if err != nil {
		return err
	}
	for _, old := range before {
		at := slices.IndexFunc(d.Rows, func(r pair) bool { return r.Name == old.Name })
		switch {
		case at < 0:
			d.Rows = append(d.Rows, pair{old.Name, "–", old.Value})
		case d.Rows[at].Value != old.Value:
			d.Rows[at].Before = old.Value
		}
	}
	return nil
}

// fields lists all that a row says: whoever approves it has seen it.
func fields(v *view, kind central.Kind, doc central.Doc) ([]pair, error) {
	if kind == central.Facts {
		f, err := central.Decode[playlist.GateFact](doc)
		return factFields(v, f), err
	}
	var out lister
	if kind == central.Notices {
		n, err := central.Decode[playlist.Notice](doc)
		return noticeFields(v, n), err
	}
	i, err := central.Decode[playlist.Item](doc)
	out.add(v, "item", string(i.ID))
	out.add(v, "kind", v.T("kind-"+string(i.Kind)))
	out.add(v, "owner", v.Place(i.Owner))
	out.add(v, "class", v.Class(i.Class))
	out.add(v, "audience", v.T("audience-"+string(i.Audience)))
	if i.Gate != "" {
		out.add(v, "gate", v.Place(i.Gate))
	}
	out.add(v, "shelf", i.Shelf)
	out.add(v, "tags", strings.Join(i.Tags, ", "))
	out.add(v, "source", i.Source)
	out.add(v, "licence", i.Licence)
	out.add(v, "url", i.PublicURL)
	out.add(v, "valid", span(v, i.ValidFrom, i.ValidUntil))
	return out, err
}

// noticeFields lists what a notice says in every language, where, and how long.
func noticeFields(v *view, n playlist.Notice) []pair {
	var out lister
	out.add(v, "kind", v.T("kind-notice"))
	out.add(v, "owner", v.Place(n.Owner))
	for _, p := range n.Places {
		out.add(v, "place", v.Place(p))
	}
	out.add(v, "severity", string(n.Severity))
	out.add(v, "valid", span(v, &n.Starts, &n.Ends))
	langs := make([]playlist.Language, 0, len(n.Bodies))
	for l := range n.Bodies {
		langs = append(langs, l)
	}
	slices.Sort(langs)
	for _, l := range langs {
		out = append(out, pair{Name: v.Language(l), Value: n.Bodies[l].Title + "\n" + n.Bodies[l].Text})
	}
	return out
}

type lister []pair

func (l *lister) add(v *view, name, value string) {
	if strings.TrimSpace(value) != "" {
		*l = append(*l, pair{Name: v.T("row-" + name), Value: value})
	}
}

func factFields(v *view, f playlist.GateFact) []pair {
	var out lister
	out.add(v, "gate", v.Place(f.Gate))
	out.add(v, "kind", v.T("kind-"+string(f.Kind)))
	out.add(v, "traveller", f.Traveller)
	for _, l := range slices.Sorted(maps.Keys(f.Value)) {
		out = append(out, pair{Name: v.T("row-value") + ", " + v.Language(l), Value: f.Value[l]})
	}
	for _, h := range f.Hours {
		var text []string
		for _, day := range h.Weekly {
			text = append(text, strings.TrimSpace(fmt.Sprintf("%s %s–%s", days(v, day.Days), day.Open, day.Close)))
		}
		for _, e := range h.Exceptions {
			reason, _ := e.Reason.In(playlist.Language(v.Lang), nil)
			line := e.Date.String() + ":"
			for _, day := range e.Hours {
				line += fmt.Sprintf(" %s–%s", day.Open, day.Close)
			}
			text = append(text, line+" "+reason)
		}
		out = append(out, pair{Name: v.T("row-hours") + ", " + v.T("side-"+h.Side), Value: strings.Join(text, "; ") + " (" + h.Zone + ")"})
	}
	out.add(v, "source", f.Source)
	if !f.CheckedOn.IsZero() {
		out.add(v, "checked", f.CheckedOn.String())
	}
	if !f.ReviewBy.IsZero() {
		out.add(v, "review-by", f.ReviewBy.String())
	}
	out.add(v, "valid", span(v, f.ValidFrom, f.ValidUntil))
	return out
}

func days(v *view, list []playlist.Weekday) string {
	var out []string
	for _, d := range list {
		if text, err := d.MarshalText(); err == nil {
			out = append(out, v.T("day-"+string(text)))
		}
	}
	return strings.Join(out, " ")
}

func span(v *view, from, until *time.Time) string {
	text := ""
	if from != nil {
		text = v.Time(*from) + " "
	}
	if until != nil {
		text += "→ " + v.Time(*until)
	}
	return text
}

// revisionOf reads which revision a form was made for.
func revisionOf(r *http.Request) (int64, error) {
	rev, err := strconv.ParseInt(r.PostFormValue("rev"), 10, 64)
	if err != nil {
		return 0, &playlist.Error{Code: playlist.CodeInvalid, Where: "form", Detail: "the revision is missing"}
	}
	return rev, nil
}

func (p *pages) approve(w http.ResponseWriter, r *http.Request, v *view) error {
	rev, err := revisionOf(r)
	if err != nil {
		return err
	}
	kind, id := central.Kind(r.PathValue("kind")), playlist.ID(r.PathValue("id"))
	var verdict desk.Verdict
	if kind == central.Versions {
		verdict, err = p.Desk.Approve(r.Context(), v.by, id, rev)
	} else {
		verdict, err = p.Desk.ApproveObject(r.Context(), v.by, kind, id, rev)
	}
	if err != nil {
		return err
	}
	done := "approved"
	if len(verdict.Needed) > 0 {
		done = "approved-more"
	}
	http.Redirect(w, r, "/review?done="+done, http.StatusSeeOther)
	return nil
}

func (p *pages) reject(w http.ResponseWriter, r *http.Request, v *view) error {
	rev, err := revisionOf(r)
	if err != nil {
		return err
	}
	kind, id := central.Kind(r.PathValue("kind")), playlist.ID(r.PathValue("id"))
	reason, note := workflow.Reason(r.PostFormValue("reason")), r.PostFormValue("note")
	if kind == central.Versions {
		_, err = p.Desk.Reject(r.Context(), v.by, id, rev, reason, note)
	} else {
		_, err = p.Desk.RejectObject(r.Context(), v.by, kind, id, rev, reason, note)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/review?done=rejected", http.StatusSeeOther)
	return nil
}
