package desk

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/sqlite"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// fonts can draw everything but Egyptian hieroglyphs.
type fonts struct{}

func (fonts) Missing(text string) (out []rune) {
	for _, r := range text {
		if r >= 0x13000 && r <= 0x1342F {
			out = append(out, r)
		}
	}
	return out
}

// world is a hub with two provinces and six people of three levels.
type world struct {
	*Desk
	t      *testing.T
	now    time.Time
	key    ed25519.PublicKey
	points []central.Checkpoint

	console, editor, translator, reviewer, publisher, officer, ministry Caller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	public, key, _ := ed25519.GenerateKey(nil)
	w := &world{t: t, now: time.Date(2027, 1, 4, 8, 0, 0, 0, time.UTC), key: public, console: Caller{Account: Console, From: "console"}}
	w.Desk = New(Options{Store: store, Files: blob.Checked{Store: files}, Fonts: fonts{}, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Key: key, Checkpoint: func(c central.Checkpoint) { w.points = append(w.points, c) }})
	t.Cleanup(func() { w.holds(); store.Close() })
	for _, p := range []playlist.Place{
		{ID: "vn", Kind: playlist.Ministry, Zone: "Asia/Ho_Chi_Minh", Languages: []playlist.Language{"vi", "en"}},
		{ID: "ls", Parent: "vn", Kind: playlist.Province}, {ID: "lc", Parent: "vn", Kind: playlist.Province},
		{ID: "dd", Parent: "ls", Kind: playlist.Commune}, {ID: "hn", Parent: "dd", Kind: playlist.Gate, Languages: []playlist.Language{"vi", "zh-Hans"}},
		{ID: "bx", Parent: "lc", Kind: playlist.Commune},
	} {
		p.Names = playlist.Names{"vi": string(p.ID)}
		w.put(w.console, central.Places, p.ID, p)
	}
	w.put(w.console, central.Classes, "bulletin", workflow.Class{ID: "bulletin", Levels: []playlist.PlaceKind{playlist.Province}})
	w.put(w.console, central.Classes, "law", workflow.Class{ID: "law", Levels: []playlist.PlaceKind{playlist.Province, playlist.Ministry}})
	w.publish("vn")
	w.editor = w.person("editor", "dd", rights.Author)
	w.translator = w.person("translator", "ls", rights.Translator)
	w.reviewer = w.person("reviewer", "ls", rights.Reviewer)
	w.publisher = w.person("publisher", "ls", rights.Publisher)
	w.officer = w.person("officer", "ls", rights.EmergencyOfficer)
	w.ministry = w.person("ministry", "vn", rights.Reviewer, rights.Publisher, rights.Auditor, rights.Administrator, rights.Technician)
	return w
}

// holds checks what must hold at the end of every test.
func (w *world) holds() {
	w.t.Helper()
	if err := w.Checkpoint(context.Background()); err != nil {
		w.t.Error(err)
	}
	err := w.Store.Read(context.Background(), func(r central.Reader) error {
		_, err := audit.Verify(context.Background(), r, w.key, w.points)
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) put(by Caller, kind central.Kind, id playlist.ID, row any) central.Doc {
	w.t.Helper()
	doc, err := w.try(by, kind, id, row)
	if err != nil {
		w.t.Fatalf("%s %s: %v", kind, id, err)
	}
	return doc
}

func (w *world) try(by Caller, kind central.Kind, id playlist.ID, row any) (central.Doc, error) {
	w.t.Helper()
	raw, err := json.Marshal(row)
	if err != nil {
		w.t.Fatal(err)
	}
	rev := int64(0)
	if old, err := w.Get(w.t.Context(), kind, id); err == nil {
		rev = old.Rev
	}
	return w.Put(w.t.Context(), by, kind, id, rev, raw)
}

func (w *world) person(login string, place playlist.ID, roles ...rights.Role) Caller {
	w.t.Helper()
	a, err := w.AddAccount(w.t.Context(), w.console, Account{Login: login, Name: login, Place: place}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range roles {
		if _, err := w.AddGrant(w.t.Context(), w.console, rights.Grant{Account: a.ID, Role: r, Place: place}); err != nil {
			w.t.Fatal(err)
		}
	}
	by, err := w.As(w.t.Context(), login)
	if err != nil {
		w.t.Fatal(err)
	}
	return by
}

func (w *world) item(id playlist.ID, class string) {
	w.t.Helper()
	w.put(w.editor, central.Items, id, playlist.Item{ID: id, Owner: "dd", Kind: playlist.Bulletin, Class: class, Audience: playlist.Public})
}

func (w *world) draft(by Caller, v playlist.Version) playlist.ID {
	w.t.Helper()
	if v.Title == "" {
		v.Title = "Giờ mở cửa"
	}
	if v.Text == "" {
		v.Text = "Cửa khẩu mở lúc 7 giờ."
	}
	doc, err := w.CreateVersion(w.t.Context(), by, v)
	if err != nil {
		w.t.Fatal(err)
	}
	return doc.ID
}

func (w *world) rev(id playlist.ID) int64 {
	w.t.Helper()
	doc, err := w.Get(w.t.Context(), central.Versions, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return doc.Rev
}

func (w *world) state(id playlist.ID) playlist.State {
	w.t.Helper()
	doc, err := w.Get(w.t.Context(), central.Versions, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return playlist.State(doc.State)
}

// approved makes a bulletin in a language and brings it through its review.
func (w *world) approved(item playlist.ID, l playlist.Language, text string) playlist.ID {
	w.t.Helper()
	id := w.draft(w.editor, playlist.Version{Item: item, Language: l, Text: text})
	w.submit(w.editor, id)
	if _, err := w.Approve(w.t.Context(), w.reviewer, id, w.rev(id)); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) submit(by Caller, id playlist.ID) {
	w.t.Helper()
	if _, err := w.Submit(w.t.Context(), by, id, w.rev(id)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) publish(scope playlist.ID) Publication {
	w.t.Helper()
	p, err := w.Publish(w.t.Context(), w.console, []playlist.ID{scope}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return p[0]
}

// refused checks that an act was refused and that the audit says so.
func (w *world) refused(name string, err error) {
	w.t.Helper()
	if _, ok := errors.AsType[*Refusal](err); !ok {
		w.t.Errorf("%s: %v, not refused", name, err)
		return
	}
	if last := w.lastAudit(); last.Outcome != audit.Refused {
		w.t.Errorf("%s: the audit says %s %s", name, last.Act, last.Outcome)
	}
}

func (w *world) lastAudit() (e audit.Entry) {
	w.t.Helper()
	err := w.Store.Read(w.t.Context(), func(r central.Reader) error {
		head, err := r.AuditHead(w.t.Context())
		if err != nil {
			return err
		}
		return json.Unmarshal(head.Row, &e)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) code(name string, err error, want playlist.Code) {
	w.t.Helper()
	if playlist.CodeOf(err) != want {
		w.t.Errorf("%s: %v, want an error of the kind %s", name, err, want)
	}
}

func (w *world) file(name, content string, state FileState) playlist.Hash {
	w.t.Helper()
	sum := sha256.Sum256([]byte(content))
	f := File{SHA256: playlist.Hash(hex.EncodeToString(sum[:])), Bytes: int64(len(content)), Type: "image/png", Name: name, State: state}
	if _, err := w.AddFile(w.t.Context(), w.editor, "dd", f, strings.NewReader(content), nil); err != nil {
		w.t.Fatal(err)
	}
	return f.SHA256
}

func ids[T any](list []T, f func(T) string) string {
	out := make([]string, 0, len(list))
	for _, x := range list {
		out = append(out, f(x))
	}
	return fmt.Sprint(out)
}
