package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mmcdole/gofeed"
	"golang.org/x/net/html"

	"cotmoc/hub/server/api"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// maxEntries bounds how many drafts one document makes.
const maxEntries = 200

// entry is something of a feed or an alert that becomes an item with drafts.
type entry struct {
	id         string // of the other system
	source     string
	url        string
	validUntil *time.Time
	versions   []playlist.Version // language, title, text
}

// Feed makes drafts of an RSS, Atom or CAP document. Entries that were imported
// before are counted and left.
func (w *Worker) Feed(ctx context.Context, by desk.Caller, f api.FeedImport) (api.ImportResult, error) {
	result := api.ImportResult{Created: []playlist.ID{}}
	var entries []entry
	var err error
	switch f.Kind {
	case "feed":
		entries, err = parseFeed(f.Document, f.Language)
	case "cap":
		entries, err = parseCAP(f.Document, w.Desk.Now())
	default:
		err = fmt.Errorf("documents of the kind %q are not known", f.Kind)
	}
	if err != nil {
		return result, &playlist.Error{Code: playlist.CodeInvalid, Where: "import", Detail: err.Error()}
	}
	for _, e := range entries {
		if err := w.entry(ctx, by, f, e, &result); err != nil {
			return result, err
		}
	}
	return result, nil
}

// entry makes an item and its drafts, unless it is known. What the desk finds
// wrong with it is reported; a missing right ends the import.
func (w *Worker) entry(ctx context.Context, by desk.Caller, f api.FeedImport, e entry, result *api.ImportResult) error {
	item := playlist.Item{ID: itemID(f.Owner, e.id), Owner: f.Owner, Kind: playlist.Bulletin, Class: f.Class, Source: e.source, PublicURL: e.url, ExternalID: clip(e.id, 500), ValidUntil: e.validUntil}
	doc := central.Doc{}
	if err := doc.Encode(item); err != nil {
		return err
	}
	_, err := w.Desk.Put(ctx, by, central.Items, item.ID, 0, doc.Body)
	if errors.Is(err, central.ErrExists) {
		if e.versions, err = w.unknown(ctx, item.ID, e.versions); err != nil {
			return err
		}
		if len(e.versions) == 0 {
			result.Known++
			return nil
		}
	} else if err != nil {
		return w.refused(err, e, result)
	}
	for _, v := range e.versions {
		v.Item = item.ID
		made, err := w.Desk.CreateVersion(ctx, by, v)
		if err != nil {
			if err := w.refused(err, e, result); err != nil {
				return err
			}
			continue
		}
		result.Created = append(result.Created, made.ID)
	}
	return nil
}

// unknown are the versions in languages that the item does not have: an import
// that was cut off goes on.
func (w *Worker) unknown(ctx context.Context, item playlist.ID, versions []playlist.Version) ([]playlist.Version, error) {
	docs, err := w.Desk.Versions(ctx, desk.Caller{Account: desk.Console}, item)
	return slices.DeleteFunc(versions, func(v playlist.Version) bool {
		return slices.ContainsFunc(docs, func(d central.Doc) bool { return d.Name == string(v.Language) })
	}), err
}

func (w *Worker) refused(err error, e entry, result *api.ImportResult) error {
	if playlist.CodeOf(err) == "" {
		return err
	}
	result.Refused = append(result.Refused, fmt.Sprintf("%s: %v", clip(e.id, 80), err))
	return nil
}

// itemID is the same for the same entry however often it comes.
func itemID(owner playlist.ID, external string) playlist.ID {
	sum := sha256.Sum256([]byte(string(owner) + "\n" + external))
	return playlist.ID("import-" + hex.EncodeToString(sum[:12]))
}

func clip(s string, n int) string {
	for i := range s {
		if i > n {
			return s[:i] + "…"
		}
	}
	return s
}

// parseFeed reads RSS or Atom.
func parseFeed(document string, fallback playlist.Language) ([]entry, error) {
	feed, err := gofeed.NewParser().ParseString(document)
	if err != nil {
		return nil, fmt.Errorf("this is no RSS or Atom document: %w", err)
	}
	lang := fallback
	if l, err := playlist.NewLanguage(feed.Language); err == nil {
		lang = short(l)
	}
	if lang == "" {
		return nil, errors.New("the feed does not say its language: give it")
	}
	var out []entry
	for _, i := range feed.Items {
		if len(out) == maxEntries {
			break
		}
		e := entry{id: first(i.GUID, i.Link, i.Title), source: clip(first(feed.Title, feed.Link), 300), url: clip(i.Link, 900)}
		text := Text(first(i.Content, i.Description))
		e.versions = []playlist.Version{{Language: lang, Title: clip(Text(i.Title), 300), Text: clip(text, playlist.MaxTextLen/2)}}
		if e.id != "" {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the feed has no entries")
	}
	return out, nil
}

func first(list ...string) string {
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// Text is what people read of a piece of HTML: paragraphs as lines, without
// scripts and styles.
func Text(source string) string {
	var b strings.Builder
	skip := 0
	for z := html.NewTokenizer(strings.NewReader(source)); ; {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return tidy(b.String())
		case html.TextToken:
			if skip == 0 {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch string(name) {
			case "script", "style", "template", "iframe", "noscript":
				if kind == html.StartTagToken {
					skip++
				} else if kind == html.EndTagToken && skip > 0 {
					skip--
				}
			case "p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "blockquote":
				b.WriteString("\n")
			}
		}
	}
}

func tidy(s string) string {
	var out []string
	for _, line := range strings.Split(clean(html.UnescapeString(s)), "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// alert is what is read of a CAP 1.2 message.
type alert struct {
	XMLName    xml.Name `xml:"alert"`
	Identifier string   `xml:"identifier"`
	Sender     string   `xml:"sender"`
	Status     string   `xml:"status"`
	MsgType    string   `xml:"msgType"`
	Scope      string   `xml:"scope"`
	References string   `xml:"references"`
	Info       []struct {
		Language    string `xml:"language"`
		Event       string `xml:"event"`
		Expires     string `xml:"expires"`
		SenderName  string `xml:"senderName"`
		Headline    string `xml:"headline"`
		Description string `xml:"description"`
		Instruction string `xml:"instruction"`
		Web         string `xml:"web"`
		Area        []struct {
			Desc string `xml:"areaDesc"`
		} `xml:"area"`
	} `xml:"info"`
}

// capNamespace is that of CAP 1.2.
const capNamespace = "urn:oasis:names:tc:emergency:cap:1.2"

// parseCAP reads one CAP 1.2 alert: one item with a draft in each language of
// its info blocks. What is no real, public alert is refused, and so is a
// cancellation: that is a person's decision.
func parseCAP(document string, now time.Time) ([]entry, error) {
	var a alert
	dec := xml.NewDecoder(strings.NewReader(document))
	if err := dec.Decode(&a); err != nil {
		return nil, fmt.Errorf("this is no CAP document: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something stands behind the alert")
	}
	switch {
	case a.XMLName.Space != capNamespace:
		return nil, fmt.Errorf("this is not CAP 1.2 but %q", a.XMLName.Space)
	case a.Identifier == "" || a.Sender == "":
		return nil, errors.New("the alert has no identifier or no sender")
	case a.Status != "Actual":
		return nil, fmt.Errorf("the alert's status is %q: only actual ones are taken", a.Status)
	case a.Scope != "Public":
		return nil, fmt.Errorf("the alert is not for the public but %q", a.Scope)
	case a.MsgType == "Cancel":
		return nil, fmt.Errorf("the message cancels %s: withdraw what was made of it", a.References)
	case a.MsgType != "Alert" && a.MsgType != "Update":
		return nil, fmt.Errorf("messages of the type %q are not taken", a.MsgType)
	case len(a.Info) == 0:
		return nil, errors.New("the alert says nothing")
	}
	e := entry{id: a.Sender + "," + a.Identifier, source: clip(first(a.Info[0].SenderName, a.Sender), 300), url: clip(a.Info[0].Web, 900)}
	for _, i := range a.Info {
		lang, err := playlist.NewLanguage(first(i.Language, "en-US"))
		if err != nil {
			return nil, err
		}
		if expires, err := time.Parse(time.RFC3339, i.Expires); err == nil {
			if !expires.After(now) {
				return nil, fmt.Errorf("the alert ended on %s", i.Expires)
			}
			if e.validUntil == nil || expires.After(*e.validUntil) {
				e.validUntil = &expires
			}
		}
		text := tidy(i.Description + "\n" + i.Instruction)
		for _, area := range i.Area {
			text += "\n" + tidy(area.Desc)
		}
		v := playlist.Version{Language: short(lang), Title: clip(tidy(first(i.Headline, i.Event)), 300), Text: strings.TrimSpace(text)}
		if same := slices.IndexFunc(e.versions, func(o playlist.Version) bool { return o.Language == v.Language }); same >= 0 { // another area
			e.versions[same].Text = clip(e.versions[same].Text+"\n"+v.Title+"\n"+v.Text, playlist.MaxTextLen/2)
			continue
		}
		e.versions = append(e.versions, v)
	}
	return []entry{e}, nil
}

// short drops the region of a language that CAP names by region: en-US is en.
func short(l playlist.Language) playlist.Language {
	if parts := strings.Split(string(l), "-"); len(parts) == 2 && len(parts[1]) == 2 {
		return playlist.Language(parts[0])
	}
	return l
}
