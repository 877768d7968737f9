package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

func TestFromDraftToScreen(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "lo", Title: "ດ່ານຊາຍແດນ", Text: "ດ່ານຊາຍແດນເປີດ"})
	_, v, err := w.Version(ctx, w.editor, id)
	if err != nil || !strings.Contains(v.Display, "\u200B") || v.DisplayBy == "" || v.Number != 1 || v.State != playlist.Draft {
		t.Errorf("%+v %v", v, err)
	}
	_, err = w.Approve(ctx, w.reviewer, id, w.rev(id))
	w.code("approving a draft", err, playlist.CodeRefused)
	w.submit(w.editor, id)
	_, err = w.Submit(ctx, w.editor, id, w.rev(id))
	w.code("submitting twice", err, playlist.CodeRefused)
	queue, err := w.Queue(ctx, w.reviewer)
	if err != nil || len(queue) != 1 || !queue[0].Mine || queue[0].ID != id || fmt.Sprint(queue[0].Needed) != "[province]" {
		t.Errorf("queue %+v %v", queue, err)
	}
	if q, _ := w.Queue(ctx, w.editor); len(q) != 0 {
		t.Errorf("an author has a queue: %+v", q)
	}
	verdict, err := w.Approve(ctx, w.reviewer, id, w.rev(id))
	if err != nil || verdict.State != playlist.Approved || len(verdict.Needed) != 0 {
		t.Errorf("%+v %v", verdict, err)
	}
	p := w.publish("ls")
	if w.state(id) != playlist.Published || ids(p.Published, func(x playlist.ID) string { return string(x) }) != fmt.Sprintf("[%s]", id) {
		t.Errorf("%s: %+v", w.state(id), p)
	}
}

// A book's words become the version's text, with places to break lines; its file stays
// at the hub.
func TestBookGoesOutAsText(t *testing.T) {
	w := newWorld(t)
	w.put(w.editor, central.Items, "b", playlist.Item{ID: "b", Owner: "dd", Kind: playlist.Document, Class: "bulletin", Audience: playlist.Public})
	book := File{Bytes: 4, Type: TypeEPUB, State: FileReady, Text: "# ບົດທີ 1\n\nປະຊາຊົນລາວ"}
	sum := sha256.Sum256([]byte("epub"))
	book.SHA256 = playlist.Hash(hex.EncodeToString(sum[:]))
	if _, err := w.AddFile(t.Context(), w.editor, "dd", book, strings.NewReader("epub"), nil); err != nil {
		t.Fatal(err)
	}
	doc, err := w.CreateVersion(t.Context(), w.editor, playlist.Version{Item: "b", Language: "lo", Title: "ປື້ມ", Media: []playlist.Hash{book.SHA256}, Sounds: []playlist.Track{{Language: "lo", Media: book.SHA256}}})
	if err != nil {
		t.Fatal(err)
	}
	w.submit(w.editor, doc.ID)
	if _, err := w.Approve(t.Context(), w.reviewer, doc.ID, w.rev(doc.ID)); err != nil {
		t.Fatal(err)
	}
	w.publish("ls")
	err = w.Store.Read(t.Context(), func(r central.Reader) error {
		rows, err := publishedRows(t.Context(), r, "ls")
		if len(rows.Versions) != 1 || len(rows.Media) != 0 || len(rows.Versions[0].Files()) != 0 || rows.Versions[0].Text != book.Text || !strings.Contains(rows.Versions[0].Display, "ປະຊາຊົນ\u200Bລາວ") {
			t.Errorf("%+v", rows.Versions)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFourEyes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	both := w.person("both", "ls", rights.Author, rights.Reviewer)
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi"})
	v := playlist.Version{Item: "i1", Language: "vi", Title: "Giờ", Text: "mới"}
	if _, err := w.EditVersion(ctx, both, id, w.rev(id), v); err != nil {
		t.Fatal(err)
	}
	w.submit(w.editor, id)
	_, err := w.Approve(ctx, both, id, w.rev(id))
	w.refused("a co-author approves", err)
	_, err = w.Approve(ctx, w.editor, id, w.rev(id))
	w.refused("an author without the role approves", err)
	if queue, _ := w.Queue(ctx, both); len(queue) != 1 || queue[0].Mine || queue[0].WhyNot != "author" {
		t.Errorf("%+v", queue)
	}
	// Taken back and edited by another: the first authors stay authors.
	other := w.person("other", "ls", rights.Author)
	doc, err := w.EditVersion(ctx, other, id, w.rev(id), v)
	if err != nil || doc.ID == id || w.state(id) != playlist.Superseded {
		t.Fatalf("%v, %s", err, w.state(id))
	}
	w.submit(other, doc.ID)
	_, err = w.Approve(ctx, both, doc.ID, w.rev(doc.ID))
	w.refused("an author of what was replaced approves", err)
	if _, err := w.Approve(ctx, w.reviewer, doc.ID, w.rev(doc.ID)); err != nil {
		t.Error(err)
	}
}

func TestTwoLevels(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("law1", "law")
	id := w.draft(w.editor, playlist.Version{Item: "law1", Language: "vi"})
	w.submit(w.editor, id)
	verdict, err := w.Approve(ctx, w.reviewer, id, w.rev(id))
	if err != nil || verdict.State != playlist.InReview || fmt.Sprint(verdict.Needed) != "[ministry]" {
		t.Fatalf("%+v %v", verdict, err)
	}
	_, err = w.Approve(ctx, w.reviewer, id, w.rev(id))
	w.refused("approving twice", err)
	second := w.person("second", "ls", rights.Reviewer)
	_, err = w.Approve(ctx, second, id, w.rev(id))
	w.refused("a second approval of the province", err)
	verdict, err = w.Approve(ctx, w.ministry, id, w.rev(id))
	if err != nil || verdict.State != playlist.Approved {
		t.Errorf("%+v %v", verdict, err)
	}
}

// Giving a published law the class of a bulletin does not spare the ministry.
func TestClassCannotBeLowered(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("law1", "law")
	id := w.draft(w.editor, playlist.Version{Item: "law1", Language: "vi"})
	w.submit(w.editor, id)
	for _, by := range []Caller{w.reviewer, w.ministry} {
		if _, err := w.Approve(ctx, by, id, w.rev(id)); err != nil {
			t.Fatal(err)
		}
	}
	w.publish("ls")
	w.item("law1", "bulletin")
	doc, err := w.EditVersion(ctx, w.editor, id, w.rev(id), playlist.Version{Item: "law1", Language: "vi", Title: "Luật", Text: "sửa"})
	if err != nil {
		t.Fatal(err)
	}
	w.submit(w.editor, doc.ID)
	verdict, err := w.Approve(ctx, w.reviewer, doc.ID, w.rev(doc.ID))
	if err != nil || fmt.Sprint(verdict.Needed) != "[ministry]" {
		t.Errorf("%+v %v", verdict, err)
	}
	item, _ := w.Get(ctx, central.Items, "law1")
	verdict, err = w.ApproveObject(ctx, w.reviewer, central.Items, "law1", item.Rev)
	if err != nil || fmt.Sprint(verdict.Needed) != "[ministry]" {
		t.Errorf("%+v %v", verdict, err)
	}
}

// What is shown of an item is what was approved, whatever its author writes later.
func TestItemsAreReviewed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	w.approved("i1", "vi", "a")
	w.publish("ls")
	w.put(w.editor, central.Items, "i1", playlist.Item{ID: "i1", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", Source: "bịa đặt"})
	source := func() string {
		w.publish("ls")
		v, err := NewPlans(w.Desk).View(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		return v.Catalogue.Items["i1"].Source
	}
	if got := source(); got != "" {
		t.Errorf("an item was shown with the source %q, which nobody approved", got)
	}
	doc, _ := w.Get(ctx, central.Items, "i1")
	queue, err := w.Queue(ctx, w.reviewer)
	if err != nil || len(queue) != 1 || queue[0].Kind != central.Items || !queue[0].Mine {
		t.Errorf("queue %+v %v", queue, err)
	}
	_, err = w.ApproveObject(ctx, w.editor, central.Items, "i1", doc.Rev)
	w.refused("an author approves an item", err)
	if _, err := w.ApproveObject(ctx, w.reviewer, central.Items, "i1", doc.Rev); err != nil {
		t.Fatal(err)
	}
	if got := source(); got != "bịa đặt" {
		t.Errorf("after its approval the source is %q", got)
	}
	_, err = w.ApproveObject(ctx, w.reviewer, central.Items, "i1", doc.Rev)
	if !errors.Is(err, central.ErrChanged) {
		t.Errorf("an old revision was approved: %v", err)
	}
}

func TestFactsAreReviewed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	fact := playlist.GateFact{ID: "f1", Gate: "hn", Kind: playlist.FactFee, Value: playlist.Names{"vi": "100 nghìn"}, Source: "thông báo"}
	doc := w.put(w.editor, central.Facts, "f1", fact)
	value := func() string {
		w.publish("ls")
		v, err := NewPlans(w.Desk).View(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		if f := v.Catalogue.Facts["hn"]; len(f) == 1 {
			return f[0].Value["vi"]
		}
		return ""
	}
	if got := value(); got != "" {
		t.Errorf("a fact nobody approved is shown: %s", got)
	}
	if _, err := w.ApproveObject(ctx, w.reviewer, central.Facts, "f1", doc.Rev); err != nil {
		t.Fatal(err)
	}
	fact.Value = playlist.Names{"vi": "miễn phí"}
	w.put(w.editor, central.Facts, "f1", fact)
	if got := value(); got != "100 nghìn" {
		t.Errorf("shown: %q", got)
	}
	both := w.person("both", "ls", rights.Author, rights.Reviewer)
	doc = w.put(both, central.Facts, "f1", fact)
	_, err := w.ApproveObject(ctx, both, central.Facts, "f1", doc.Rev)
	w.refused("the author of the last change approves", err)
}

func TestRejection(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi", Text: "bản đồ"})
	w.submit(w.editor, id)
	_, err := w.Reject(ctx, w.reviewer, id, w.rev(id), "because", "no")
	w.code("a reason that is not on the list", err, playlist.CodeInvalid)
	_, err = w.Reject(ctx, w.editor, id, w.rev(id), workflow.WrongPicture, "thiếu Hoàng Sa")
	w.refused("an author rejects", err)
	verdict, err := w.Reject(ctx, w.reviewer, id, w.rev(id), workflow.WrongPicture, "thiếu Hoàng Sa")
	if err != nil || verdict.State != playlist.Superseded || verdict.Draft == "" {
		t.Fatalf("%+v %v", verdict, err)
	}
	_, again, err := w.Version(ctx, w.editor, verdict.Draft)
	if err != nil || again.State != playlist.Draft || again.Text != "bản đồ" || again.Replaces != id || again.Number != 2 {
		t.Errorf("%+v %v", again, err)
	}
	remarks, err := w.Remarks(ctx, w.editor, id)
	if err != nil || len(remarks.Reviews) != 1 || remarks.Reviews[0].Reason != workflow.WrongPicture {
		t.Errorf("%+v %v", remarks, err)
	}
	if _, err := w.AddComment(ctx, w.translator, id, " xem lại "); err != nil {
		t.Error(err)
	}
	_, err = w.AddComment(ctx, w.person("stranger", "lc", rights.Author), id, "hello")
	w.refused("somebody of another province comments", err)
}

func TestEditOfPublished(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	id := w.approved("i1", "vi", "một")
	w.publish("ls")
	doc, err := w.EditVersion(ctx, w.editor, id, w.rev(id), playlist.Version{Item: "i1", Language: "vi", Title: "Giờ mở cửa", Text: "hai"})
	if err != nil || w.state(id) != playlist.Published {
		t.Fatalf("%v, %s", err, w.state(id))
	}
	_, err = w.EditVersion(ctx, w.editor, id, w.rev(id), playlist.Version{Item: "i1", Language: "vi", Title: "x", Text: "y"})
	if !errors.Is(err, central.ErrExists) {
		t.Errorf("a second draft beside the first: %v", err)
	}
	diff, err := w.Diff(ctx, w.editor, doc.ID)
	if err != nil || diff.Published != id || len(diff.Changes) != 1 || diff.Changes[0].Field != "text" {
		t.Errorf("%+v %v", diff, err)
	}
	w.submit(w.editor, doc.ID)
	if _, err := w.Approve(ctx, w.reviewer, doc.ID, w.rev(doc.ID)); err != nil {
		t.Fatal(err)
	}
	w.publish("ls")
	if w.state(id) != playlist.Superseded || w.state(doc.ID) != playlist.Published {
		t.Errorf("%s and %s", w.state(id), w.state(doc.ID))
	}
	_, err = w.EditVersion(ctx, w.editor, id, w.rev(id), playlist.Version{Item: "i1", Language: "vi", Title: "x", Text: "y"})
	w.code("editing what was superseded", err, playlist.CodeRefused)
}

// What was submitted never changes: every later revision says the same.
func TestSubmittedIsImmutable(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	id := w.approved("i1", "vi", "nguyên văn")
	w.publish("ls")
	if _, err := w.Withdraw(t.Context(), w.publisher, id, w.rev(id), "sai sự thật"); err != nil {
		t.Fatal(err)
	}
	all, err := w.History(t.Context(), central.Versions, id)
	if err != nil || len(all) != 5 {
		t.Fatalf("%d revisions, %v", len(all), err)
	}
	for _, doc := range all {
		v, err := central.Decode[Version](doc)
		if err != nil || v.Text != "nguyên văn" || v.Title != "Giờ mở cửa" {
			t.Errorf("revision %d says %q %q %v", doc.Rev, v.Title, v.Text, err)
		}
	}
}

func TestTranslations(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	base := w.approved("i1", "vi", "một")
	w.publish("ls")
	_, err := w.CreateVersion(ctx, w.translator, playlist.Version{Item: "i1", Language: "en", Title: "x", Text: "one"})
	w.refused("a translator writes something of their own", err)
	_, err = w.CreateVersion(ctx, w.translator, playlist.Version{Item: "i1", Language: "vi", BaseVersion: base, Title: "x"})
	if err == nil {
		t.Error("a translation into the language of its base was taken")
	}
	en := w.draft(w.translator, playlist.Version{Item: "i1", Language: "en", BaseVersion: base, Title: "Hours", Text: "one"})
	_, err = w.EditVersion(ctx, w.translator, en, w.rev(en), playlist.Version{Item: "i1", Language: "en", Title: "Hours", Text: "mine"})
	w.refused("a translator drops the base", err)
	w.submit(w.translator, en)
	if _, err := w.Approve(ctx, w.reviewer, en, w.rev(en)); err != nil {
		t.Fatal(err)
	}
	w.publish("ls")
	cells := func() string {
		rows, _, err := w.Translations(ctx, w.editor, "ls", "", 10)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%+v %v", rows, err)
		}
		return ids(rows[0].Cells, func(c workflow.Cell) string { return string(c.Language) + ":" + string(c.Standing) })
	}
	if got := cells(); got != "[vi:published en:published]" {
		t.Error(got)
	}
	doc, err := w.EditVersion(ctx, w.editor, base, w.rev(base), playlist.Version{Item: "i1", Language: "vi", Title: "Giờ", Text: "hai", MaterialChange: true})
	if err != nil {
		t.Fatal(err)
	}
	w.submit(w.editor, doc.ID)
	if _, err := w.Approve(ctx, w.reviewer, doc.ID, w.rev(doc.ID)); err != nil {
		t.Fatal(err)
	}
	w.publish("ls")
	if got := cells(); got != "[vi:published en:outdated]" {
		t.Error(got)
	}
}

func TestWhatCannotBeSubmitted(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for n, c := range []struct {
		v    playlist.Version
		want string
	}{
		{playlist.Version{Text: "x"}, "no title"},
		{playlist.Version{Title: "x"}, "neither text nor a file"},
		{playlist.Version{Title: "x", Text: "\U00013000"}, "no screen can draw"},
		{playlist.Version{Title: "x", Media: []playlist.Hash{w.file("a.mp4", "a", FileWorking)}}, "still being worked on"},
		{playlist.Version{Title: "x", Media: []playlist.Hash{w.file("b.mp4", "b", FileFailed)}}, "b.mp4 cannot be shown"},
	} {
		item := playlist.ID(fmt.Sprint("i", n))
		w.item(item, "bulletin")
		c.v.Item, c.v.Language = item, "vi"
		doc, err := w.CreateVersion(ctx, w.editor, c.v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Submit(ctx, w.editor, doc.ID, doc.Rev); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	w.item("x", "bulletin")
	for name, v := range map[string]playlist.Version{
		"a language that is none":    {Language: "qq-xyz", Title: "x"},
		"a file that never came":     {Language: "vi", Media: []playlist.Hash{playlist.Hash(strings.Repeat("a", 64))}},
		"another text in display":    {Language: "vi", Text: "a", Display: "b"},
		"a base that does not exist": {Language: "vi", BaseVersion: "none"},
	} {
		v.Item = "x"
		if _, err := w.CreateVersion(ctx, w.editor, v); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// Breaks that staff allow and forbid are kept; a change of them alone is none.
func TestDisplayMarks(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "lo", Text: "ສະບາຍດີ", Display: "ສະ\u2060ບາຍ\u200Bດີ"})
	_, v, err := w.Version(t.Context(), w.editor, id)
	if err != nil || !strings.Contains(v.Display, "\u2060") || v.Text != "ສະບາຍດີ" {
		t.Errorf("%q %v", v.Display, err)
	}
}

func TestReadingDrafts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stranger := w.person("stranger", "lc", rights.Author, rights.Reviewer)
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi"})
	if _, _, err := w.Version(ctx, stranger, id); !errors.Is(err, central.ErrNotFound) {
		t.Errorf("a draft of another province was read: %v", err)
	}
	if last := w.lastAudit(); last.Act != "read version" || last.Outcome != "refused" {
		t.Errorf("%+v", last)
	}
	if list, err := w.Versions(ctx, stranger, "i1"); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	w.submit(w.editor, id)
	if _, err := w.Approve(ctx, w.reviewer, id, w.rev(id)); err != nil {
		t.Fatal(err)
	}
	w.publish("ls")
	if _, _, err := w.Version(ctx, stranger, id); err != nil {
		t.Errorf("what is published can be read by all who are signed in: %v", err)
	}
}

func TestWithdrawAndExpire(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	until := w.now.Add(time.Hour)
	w.put(w.editor, central.Items, "i2", playlist.Item{ID: "i2", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", ValidUntil: &until})
	one, two := w.approved("i1", "vi", "a"), w.approved("i2", "vi", "b")
	w.publish("ls")
	_, err := w.Withdraw(ctx, w.editor, one, w.rev(one), "nhầm lẫn")
	w.refused("an author withdraws", err)
	_, err = w.Withdraw(ctx, w.officer, one, w.rev(one), "")
	w.code("no reason", err, playlist.CodeInvalid)
	select { // of publishing
	case <-w.Changed():
	default:
	}
	if _, err := w.Withdraw(ctx, w.officer, one, w.rev(one), "sai biên giới"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.Changed():
	default:
		t.Error("kiosks are not told at once")
	}
	if n, err := w.Expire(ctx); err != nil || n != 0 {
		t.Errorf("%d expired before their time, %v", n, err)
	}
	w.now = until
	if n, err := w.Expire(ctx); err != nil || n != 1 || w.state(two) != playlist.Expired {
		t.Errorf("%d expired, %s, %v", n, w.state(two), err)
	}
	p := w.publish("ls")
	if p.Withdrawn != 1 || w.state(one) != playlist.Withdrawn {
		t.Errorf("%+v", p)
	}
	v, err := NewPlans(w.Desk).View(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	if vs := v.Catalogue.Versions["i1"]; len(vs) != 1 || vs[0].State != playlist.Withdrawn || vs[0].Title != "" || vs[0].Text != "" {
		t.Errorf("the tombstone says %+v", vs)
	}
	if vs := v.Catalogue.Versions["i2"]; len(vs) != 0 {
		t.Errorf("what expired is still there: %+v", vs)
	}
}

// However often a draft is saved, its history keeps the newest fifty saves and whatever
// was submitted.
func TestDraftsHistoryIsBounded(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi"})
	for n := range 3 * keptDrafts {
		if _, err := w.EditVersion(t.Context(), w.editor, id, w.rev(id), playlist.Version{Item: "i1", Language: "vi", Title: "x", Text: fmt.Sprint("lần ", n)}); err != nil {
			t.Fatal(err)
		}
	}
	w.submit(w.editor, id)
	all, err := w.History(t.Context(), central.Versions, id)
	if err != nil || len(all) > 2*keptDrafts+1 || all[len(all)-1].State != string(playlist.InReview) {
		t.Errorf("%d revisions are kept: %v", len(all), err)
	}
	many := make([]string, maxTags+1)
	_, err = w.try(w.editor, central.Items, "i1", playlist.Item{ID: "i1", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", Tags: many})
	w.code("many tags", err, playlist.CodeRefused)
}
