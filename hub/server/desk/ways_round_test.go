package desk

import (
	"errors"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// What follows was found by people who tried to get round the rules.

// shown is what the kiosks hold after a publication.
func (w *world) shown() *playlist.Catalogue {
	w.t.Helper()
	w.publish("ls")
	v, err := NewPlans(w.Desk).View(w.t.Context(), true)
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Catalogue
}

func TestPictureWithoutReviewInALayout(t *testing.T) {
	w := newWorld(t)
	picture := w.file("logo.png", "nobody looked at this", FileReady)
	l := playlist.FullLayout()
	l.ID, l.Owner = "l1", "ls"
	l.Zones[0].Source = playlist.Source{Kind: playlist.FromLogo, Media: picture}
	w.put(w.publisher, central.Layouts, "l1", l)
	if got := w.shown().Layouts["l1"].Zones[0].Source.Media; got != "" {
		t.Errorf("the screens got a picture that nobody approved: %s", got)
	}
	w.item("i1", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi", Media: []playlist.Hash{picture}})
	w.submit(w.editor, id)
	if _, err := w.Approve(t.Context(), w.reviewer, id, w.rev(id)); err != nil {
		t.Fatal(err)
	}
	if got := w.shown().Layouts["l1"].Zones[0].Source.Media; got != picture {
		t.Errorf("after its approval the logo is %q", got)
	}
}

func TestTakingOverAnAccountAbove(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	admin := w.person("admin", "ls", rights.Administrator)
	boss := w.person("boss", "ls")
	if _, err := w.AddGrant(ctx, w.ministry, rights.Grant{Account: boss.Account, Role: rights.Publisher, Place: "vn"}); err != nil {
		t.Fatal(err)
	}
	// Whoever looks after an account keeps it, whatever others gave it: but with a password
	// that they set, or without the second step, what others gave is gone, and they are told.
	doc, _, _ := w.Account(ctx, boss.Account)
	yes, no := true, false
	for _, change := range []AccountChange{{Disabled: &yes}, {Disabled: &no}} {
		var err error
		if doc, err = w.ChangeAccount(ctx, admin, boss.Account, doc.Rev, change); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := w.Effective(ctx, boss.Account, "vn"); len(got) == 0 {
		t.Error("disabling took the rights away")
	}
	mine := "three words of another"
	if _, err := w.ChangeAccount(ctx, admin, boss.Account, doc.Rev, AccountChange{Password: &mine}); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.Effective(ctx, boss.Account, "vn"); len(got) != 0 {
		t.Errorf("a password that a province set opens %v at the ministry", got)
	}
	told, err := w.Messages(ctx, w.console, "vn")
	if err != nil || len(told) != 1 || told[0].Code != "grant-ended" || told[0].Row != boss.Account {
		t.Errorf("the ministry was told %+v, %v", told, err)
	}
	_, err = w.AddGrant(ctx, admin, rights.Grant{Account: admin.Account, Role: rights.Reviewer, Place: "ls"})
	w.refused("a role for oneself", err)
}

func TestOwnPassword(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.withPassword("lan")
	token, err := w.SignIn(ctx, "lan", secretPhrase, "", "x")
	if err != nil {
		t.Fatal(err)
	}
	by, _ := w.Caller(ctx, token)
	if err := w.ChangePassword(ctx, by, "wrong", "một mật khẩu mới"); !errors.Is(err, ErrSignIn) {
		t.Errorf("with a wrong old one: %v", err)
	}
	w.code("too short", w.ChangePassword(ctx, by, secretPhrase, "ngắn"), playlist.CodeInvalid)
	if err := w.ChangePassword(ctx, by, secretPhrase, "một mật khẩu mới"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Caller(ctx, token); !errors.Is(err, ErrSession) {
		t.Errorf("the session outlives its password: %v", err)
	}
	if _, err := w.SignIn(ctx, "lan", "một mật khẩu mới", "", "x"); err != nil {
		t.Error(err)
	}
}

// Approving a version approves no change of its item that came in between.
func TestItemChangedUnderTheReviewer(t *testing.T) {
	w := newWorld(t)
	w.put(w.editor, central.Items, "i1", playlist.Item{ID: "i1", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", Audience: playlist.Public})
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi"})
	w.submit(w.editor, id)
	w.now = w.now.Add(time.Minute)
	changed := w.put(w.editor, central.Items, "i1", playlist.Item{ID: "i1", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", PublicURL: "https://example.com/bad"})
	if _, err := w.Approve(t.Context(), w.reviewer, id, w.rev(id)); err != nil {
		t.Fatal(err)
	}
	if got := w.shown(); len(got.Items) != 0 {
		t.Errorf("an item nobody saw so is shown: %+v", got.Items)
	}
	queue, err := w.Queue(t.Context(), w.reviewer)
	if err != nil || len(queue) != 1 || queue[0].Kind != central.Items {
		t.Fatalf("it waits for no review of its own: %+v %v", queue, err)
	}
	if _, err := w.RejectObject(t.Context(), w.reviewer, central.Items, "i1", changed.Rev, workflow.WrongFact, "địa chỉ lạ"); err != nil {
		t.Fatal(err)
	}
	if queue, _ := w.Queue(t.Context(), w.reviewer); len(queue) != 0 {
		t.Errorf("a rejected change still waits: %+v", queue)
	}
	w.item("i1", "bulletin")
	doc, _ := w.Get(t.Context(), central.Items, "i1")
	if _, err := w.ApproveObject(t.Context(), w.reviewer, central.Items, "i1", doc.Rev); err != nil {
		t.Fatal(err)
	}
	if got := w.shown(); len(got.Versions["i1"]) != 1 || got.Items["i1"].PublicURL != "" {
		t.Errorf("%+v", got.Items)
	}
}

func TestOwnerWithVersionsStays(t *testing.T) {
	w := newWorld(t)
	both := w.person("both", "vn", rights.Author)
	w.item("i1", "bulletin")
	w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi"})
	_, err := w.try(both, central.Items, "i1", playlist.Item{ID: "i1", Owner: "vn", Kind: playlist.Bulletin, Class: "bulletin"})
	w.code("another owner", err, playlist.CodeRefused)
}

func TestAuthorsTakeNothingOffTheScreens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.item("i1", "bulletin")
	id := w.approved("i1", "vi", "a")
	fact := playlist.GateFact{ID: "f1", Gate: "hn", Kind: playlist.FactFee, Value: playlist.Names{"vi": "100"}, Source: "x"}
	doc := w.put(w.editor, central.Facts, "f1", fact)
	if _, err := w.ApproveObject(ctx, w.reviewer, central.Facts, "f1", doc.Rev); err != nil {
		t.Fatal(err)
	}
	w.shown()
	past := w.now.Add(-time.Hour)
	w.put(w.editor, central.Items, "i1", playlist.Item{ID: "i1", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", ValidUntil: &past})
	if n, err := w.Expire(ctx); err != nil || n != 0 || w.state(id) != playlist.Published {
		t.Errorf("%d expired by an author's word alone, %v", n, err)
	}
	kept, _ := w.Get(ctx, central.Facts, "f1")
	w.refused("an author deletes a fact that is shown", w.Delete(ctx, w.editor, central.Facts, "f1", kept.Rev))
	// Moving it elsewhere, unapproved, takes it nowhere either.
	fact.Gate = "bx"
	wide := w.person("wide", "vn", rights.Author)
	w.put(wide, central.Facts, "f1", fact)
	if got := w.shown(); len(got.Facts["hn"]) != 1 {
		t.Errorf("an unapproved move of a fact took it away: %+v", got.Facts)
	}
	kept, _ = w.Get(ctx, central.Facts, "f1")
	if err := w.Delete(ctx, w.console, central.Facts, "f1", kept.Rev); err != nil {
		t.Fatal(err)
	}
	fact.Gate = "hn"
	w.put(w.editor, central.Facts, "f1", fact)
	if got := w.shown(); len(got.Facts) != 0 {
		t.Errorf("a new fact was born approved: %+v", got.Facts)
	}
}

func TestCancellingANoticeFromAbove(t *testing.T) {
	w := newWorld(t)
	notice := func(id, owner playlist.ID, cancels ...playlist.ID) playlist.Notice {
		return playlist.Notice{ID: id, Owner: owner, Severity: playlist.Extreme, Starts: w.now, Ends: w.now.Add(time.Hour), Cancels: cancels, Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "x"}}}
	}
	w.put(w.console, central.Notices, "flood", notice("flood", "vn"))
	gate := w.person("gate", "hn", rights.EmergencyOfficer)
	_, err := w.try(gate, central.Notices, "small", notice("small", "hn", "flood"))
	w.refused("a gate cancels the ministry's notice", err)
	_, err = w.try(gate, central.Notices, "small", notice("small", "hn", "none"))
	w.code("a notice that is none", err, playlist.CodeMissing)
	w.put(gate, central.Notices, "mine", notice("mine", "hn"))
	w.put(gate, central.Notices, "over", notice("over", "hn", "mine"))
}

func TestTranslationsThatAreOvertaken(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	base := w.approved("i1", "vi", "Mở cửa lúc 7 giờ")
	en := w.draft(w.translator, playlist.Version{Item: "i1", Language: "en", BaseVersion: base, Title: "Hours", Text: "Opens at 7"})
	w.submit(w.translator, en)
	if _, err := w.Approve(t.Context(), w.reviewer, en, w.rev(en)); err != nil {
		t.Fatal(err)
	}
	if got := w.shown().Versions["i1"]; len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	doc, err := w.EditVersion(t.Context(), w.editor, base, w.rev(base), playlist.Version{Item: "i1", Language: "vi", Title: "Giờ", Text: "ĐÓNG CỬA", MaterialChange: true})
	if err != nil {
		t.Fatal(err)
	}
	w.submit(w.editor, doc.ID)
	if _, err := w.Approve(t.Context(), w.reviewer, doc.ID, w.rev(doc.ID)); err != nil {
		t.Fatal(err)
	}
	if got := w.shown().Versions["i1"]; len(got) != 1 || got[0].Language != "vi" {
		t.Errorf("a translation that is not true any more is shown: %+v", got)
	}
}

func TestTranslatorWritesTheOriginal(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	base := w.approved("i1", "vi", "nguyên văn")
	en := w.draft(w.translator, playlist.Version{Item: "i1", Language: "en", BaseVersion: base, Title: "x", Text: "y"})
	w.publish("ls")
	_, err := w.CreateVersion(t.Context(), w.translator, playlist.Version{Item: "i1", Language: "vi", BaseVersion: en, Title: "x", Text: "của tôi"})
	w.refused("by way of a translation of the translation", err)
}

func TestClassLoweredInReview(t *testing.T) {
	w := newWorld(t)
	w.item("law1", "law")
	id := w.draft(w.editor, playlist.Version{Item: "law1", Language: "vi"})
	w.submit(w.editor, id)
	if v, err := w.Approve(t.Context(), w.reviewer, id, w.rev(id)); err != nil || v.State != playlist.InReview {
		t.Fatalf("%+v %v", v, err)
	}
	w.item("law1", "bulletin")
	v, err := w.Approve(t.Context(), w.ministry, id, w.rev(id))
	if err != nil || v.State != playlist.Approved {
		t.Errorf("a version whose class was lowered is stuck: %+v %v", v, err)
	}
}

func TestBlankLogin(t *testing.T) {
	w := newWorld(t)
	for _, blank := range []string{"", " ", "\t"} {
		_, err := w.SignInOIDC(t.Context(), "https://id", "stranger", blank, true, "x")
		w.refused("a blank address", err)
		if _, err := w.SignIn(t.Context(), blank, secretPhrase, "", "x"); !errors.Is(err, ErrSignIn) {
			t.Errorf("%q: %v", blank, err)
		}
		if last := w.lastAudit(); last.By != "" {
			t.Errorf("a blank login is on the record of %s", last.By)
		}
	}
}

// One office's slip takes the plan from nobody else.
func TestPlanOutlivesASlip(t *testing.T) {
	w := newWorld(t)
	w.planned()
	w.put(w.publisher, central.Schedules, "s2", playlist.Schedule{ID: "s2", Owner: "ls", Playlist: "p1", Always: true, Displays: []playlist.ID{"d1"}})
	w.put(w.ministry, central.Displays, "d1", playlist.Display{ID: "d1", Place: "bx", Width: 1920, Height: 1080}) // now in another province
	v, err := NewPlans(w.Desk).View(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Catalogue.Schedules) != 1 || len(v.Held) == 0 || v.Held[len(v.Held)-1].ID != "s2" {
		t.Errorf("%d schedules, held %+v", len(v.Catalogue.Schedules), v.Held)
	}
	unpublished, err := NewPlans(w.Desk).Unpublished(t.Context())
	if err != nil || !unpublished {
		t.Errorf("%t %v", unpublished, err)
	}
}

func TestStaffItemsStayInside(t *testing.T) {
	w := newWorld(t)
	w.put(w.editor, central.Items, "i1", playlist.Item{ID: "i1", Owner: "dd", Kind: playlist.Bulletin, Class: "bulletin", Audience: playlist.Staff})
	w.approved("i1", "vi", "chỉ cho cán bộ")
	if got := w.shown(); len(got.Items)+len(got.Versions) != 0 {
		t.Errorf("what is for staff lies where anyone can read it: %+v", got.Items)
	}
}

// A notice goes out at once; another person reviews it afterwards, and cannot make it
// as if it had not been.
func TestNoticeIsReviewedAfterwards(t *testing.T) {
	w := newWorld(t)
	n := playlist.Notice{ID: "n1", Owner: "ls", Severity: "severe", Starts: w.now, Ends: w.now.Add(time.Hour), Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}
	officer := w.person("truc", "ls", rights.EmergencyOfficer, rights.Reviewer)
	doc := w.put(officer, central.Notices, "n1", n)
	q, err := w.Queue(t.Context(), w.reviewer)
	if err != nil || len(q) != 1 || q[0].Kind != central.Notices || q[0].Title != "Lũ" || !q[0].Mine {
		t.Fatalf("%+v %v", q, err)
	}
	_, err = w.ApproveObject(t.Context(), officer, central.Notices, "n1", doc.Rev)
	w.refused("the officer reviews what they sent", err)
	_, err = w.RejectObject(t.Context(), w.reviewer, central.Notices, "n1", doc.Rev, "wrong fact", "sai")
	w.code("a notice that went out", err, playlist.CodeRefused)
	if v, err := w.ApproveObject(t.Context(), w.reviewer, central.Notices, "n1", doc.Rev); err != nil || v.State != playlist.Approved {
		t.Errorf("%+v %v", v, err)
	}
	if q, err = w.Queue(t.Context(), w.reviewer); err != nil || len(q) != 0 {
		t.Errorf("%+v %v", q, err)
	}
}
