// Package pages are the few pages that must work in any browser without any
// installation: sign in, review, displays. Plain HTML, Vietnamese and English,
// without a line of script.
package pages

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/api"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/fleet"
	"cotmoc/hub/server/login"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

//go:embed templates style.css
var files embed.FS

// Options are what the pages show and do.
type Options struct {
	Desk     *desk.Desk
	Plans    *desk.Plans
	Provider *login.Provider // nil: none
	Fleet    *fleet.Fleet
	Demo     func() bool // the signing keys lie beside the data
	Secure   bool
	Log      *slog.Logger
}

type pages struct {
	Options
	templates map[string]*template.Template
}

// New makes the handler of the pages.
func New(o Options) http.Handler {
	p := &pages{Options: o, templates: map[string]*template.Template{}}
	for _, name := range []string{"signin", "queue", "one", "displays", "kiosks", "visits", "messages", "problem"} {
		p.templates[name] = template.Must(template.ParseFS(files, "templates/layout.html", "templates/"+name+".html"))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		http.ServeFileFS(w, r, files, "style.css")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/review", http.StatusSeeOther) })
	mux.HandleFunc("GET /sign-in", p.signInPage)
	mux.HandleFunc("POST /sign-in", p.signIn)
	mux.HandleFunc("POST /sign-out", p.signOut)
	if p.Provider != nil {
		mux.HandleFunc("GET /auth/oidc/start", p.oidcStart)
		mux.HandleFunc("GET /auth/oidc/callback", p.oidcCallback)
	}
	mux.HandleFunc("GET /review", p.staff(p.queue))
	mux.HandleFunc("GET /review/{kind}/{id}", p.staff(p.one))
	mux.HandleFunc("POST /review/{kind}/{id}/approve", p.staff(p.approve))
	mux.HandleFunc("POST /review/{kind}/{id}/reject", p.staff(p.reject))
	mux.HandleFunc("GET /displays", p.staff(p.displays))
	mux.HandleFunc("GET /kiosks", p.staff(p.kiosks))
	mux.HandleFunc("GET /visits", p.staff(p.visits))
	mux.HandleFunc("GET /messages", p.staff(p.messages))
	mux.HandleFunc("POST /kiosks/confirm", p.staff(p.confirm))
	mux.HandleFunc("POST /kiosks/pin", p.staff(p.pin))
	mux.HandleFunc("POST /kiosks/set", p.staff(p.upkeep))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v := p.view(w, r, desk.Caller{})
		p.fail(w, v, http.StatusNotFound, api.Title("not-found", v.english), v.T("not-found"))
	})
	// Requests that change something come from our own pages only.
	return headers(http.NewCrossOriginProtection().Handler(p.admitted(mux)))
}

// Limits of the pages: bytes of a form, and the time within which it must be here.
const (
	maxForm  = 64 << 10
	formTime = 10 * time.Second
)

// admitted reads a form whole, and then gives it a place: people by account, strangers by
// address.
func (p *pages) admitted(next http.Handler) http.Handler {
	doors, staff := admission.NewRoom(64, 16), admission.NewRoom(128, 16)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := admission.Body(w, r, maxForm, formTime); errors.Is(err, admission.ErrTooLarge) {
			http.Error(w, "the form is too large", http.StatusRequestEntityTooLarge)
			return
		} else if err != nil {
			http.Error(w, "the form broke off, or came too slowly", http.StatusBadRequest)
			return
		}
		room, key := doors, admission.Address(r.RemoteAddr)
		if token := api.Token(r); token != "" {
			if by, err := p.Desk.Caller(r.Context(), token); err == nil {
				room, key = staff, string(by.Account)
			}
		}
		leave, ok := room.Enter(key)
		if !ok {
			admission.Busy(w)
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// view is what every page knows.
type view struct {
	Lang    string
	Title   string
	Here    string
	Login   string
	Problem string
	Done    string
	Data    any

	p       *pages
	w       http.ResponseWriter
	ctx     context.Context
	by      desk.Caller
	token   string
	address *url.URL
	english bool
}

// Demo says that nothing official may be shown with this hub.
func (v *view) Demo() bool { return v.p.Options.Demo != nil && v.p.Options.Demo() }

// ClockHeld says that nothing is signed because the hub's clock cannot be believed.
func (v *view) ClockHeld() bool { return v.p.Desk.Clock.Held() != nil }

// Choice is a language of the pages.
type Choice struct {
	Tag, Name, Address string
	Here               bool
}

const langCookie = "cotmoc_lang"

// view finds out in which language a person reads: asked for, chosen before, or
// what the browser says; Vietnamese where nothing does.
func (p *pages) view(w http.ResponseWriter, r *http.Request, by desk.Caller) *view {
	lang := r.URL.Query().Get("lang")
	if lang == "vi" || lang == "en" {
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: lang, Path: "/", MaxAge: 400 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.Secure})
	} else if c, err := r.Cookie(langCookie); err == nil {
		lang = c.Value
	}
	english := lang == "en" || lang != "vi" && api.English(r.Header.Get("Accept-Language"))
	v := &view{w: w, Lang: "vi", p: p, ctx: r.Context(), by: by, Login: by.Login, token: api.Token(r), address: r.URL, english: english}
	if english {
		v.Lang = "en"
	}
	if done := r.URL.Query().Get("done"); words["done-"+done][0] != "" {
		v.Done = v.T("done-" + done)
	}
	return v
}

// T is a word in the page's language.
func (v *view) T(key string) string {
	w, ok := words[key]
	if !ok {
		return key
	}
	if v.english {
		return w[1]
	}
	return w[0]
}

// Languages are the languages to choose from.
func (v *view) Languages() []Choice {
	out := []Choice{{Tag: "vi", Name: "Tiếng Việt"}, {Tag: "en", Name: "English"}}
	for n := range out {
		q := v.address.Query()
		q.Set("lang", out[n].Tag)
		out[n].Address, out[n].Here = v.address.Path+"?"+q.Encode(), out[n].Tag == v.Lang
	}
	return out
}

// Language names a language.
func (v *view) Language(l playlist.Language) string {
	n, ok := languageNames[string(l)]
	if !ok {
		return string(l)
	}
	if v.english {
		return n[1]
	}
	return n[0]
}

// Place names a place.
func (v *view) Place(id playlist.ID) string {
	place, err := v.p.Desk.Place(v.ctx, id)
	if err != nil {
		return string(id)
	}
	name, _ := place.Names.In(playlist.Language(v.Lang), nil)
	return name
}

// Class names a class of content.
func (v *view) Class(id string) string {
	doc, err := v.p.Desk.Get(v.ctx, central.Classes, playlist.ID(id))
	if err != nil {
		return id
	}
	c, err := central.Decode[workflow.Class](doc)
	if err != nil {
		return id
	}
	name, _ := c.Names.In(playlist.Language(v.Lang), nil)
	if name == "" {
		return id
	}
	return name
}

// Who names an account.
func (v *view) Who(id playlist.ID) string { return v.p.Desk.Login(v.ctx, id) }

// local is an instant by Vietnam's clocks.
func (v *view) local(t time.Time) time.Time {
	zone, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		zone = time.FixedZone("Asia/Ho_Chi_Minh", 7*3600)
	}
	return t.In(zone)
}

// Time writes an instant as people in Vietnam read it.
func (v *view) Time(t time.Time) string {
	if v.english {
		return v.local(t).Format("2 Jan 2006 15:04")
	}
	return v.local(t).Format("02/01/2006 15:04")
}

// Date writes a day as people in Vietnam read it.
func (v *view) Date(d playlist.Date) string {
	if v.english {
		return d.UTC().Format("2 Jan 2006")
	}
	return d.UTC().Format("02/01/2006")
}

// Named names a language that is known by its tag alone.
func (v *view) Named(tag string) string { return v.Language(playlist.Language(tag)) }

// show writes a page, or nothing of it.
func (p *pages) show(w http.ResponseWriter, v *view, status int, name string) {
	var b bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&b, "layout", v); err != nil {
		p.Log.Error("A page could not be made", "page", name, "error", err)
		http.Error(w, v.T("went-wrong"), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (p *pages) fail(w http.ResponseWriter, v *view, status int, title, why string) {
	v.Title, v.Data = title, why
	p.show(w, v, status, "problem")
}

// explain says an error in words for people.
func (p *pages) explain(v *view, err error) (int, string) {
	code, status, headers := api.Classify(err)
	maps.Copy(v.w.Header(), headers)
	if status >= 500 {
		p.Log.Error("A page failed", "error", err)
		return status, v.T("went-wrong")
	}
	return status, api.Title(code, v.english)
}

// staff lets signed-in people through, and sends others to sign in.
func (p *pages) staff(next func(http.ResponseWriter, *http.Request, *view) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := p.Desk.Caller(r.Context(), api.Token(r))
		if errors.Is(err, desk.ErrSession) {
			where := "/sign-in"
			if r.Method == http.MethodGet {
				where += "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, where, http.StatusSeeOther)
			return
		}
		by.From = api.Address(r)
		v := p.view(w, r, by)
		if err == nil {
			err = next(w, r, v)
		}
		if err != nil {
			status, title := p.explain(v, err)
			why := ""
			if status < 500 {
				why = err.Error() // staff may read it: it names the row
			}
			p.fail(w, v, status, title, why)
		}
	}
}

type signInData struct {
	Login    string
	Next     string
	NeedCode bool
	NeedOwn  bool // the password is the first, which was given
	Provider bool
}

func (p *pages) signInPage(w http.ResponseWriter, r *http.Request) {
	v := p.view(w, r, desk.Caller{})
	v.Title, v.Data = v.T("sign-in"), signInData{Next: r.URL.Query().Get("next"), Provider: p.Provider != nil}
	p.show(w, v, http.StatusOK, "signin")
}

func (p *pages) signIn(w http.ResponseWriter, r *http.Request) {
	v := p.view(w, r, desk.Caller{})
	token, err := p.Desk.SignInFirst(r.Context(), r.PostFormValue("login"), r.PostFormValue("password"), strings.TrimSpace(r.PostFormValue("code")), r.PostFormValue("new"), api.Address(r))
	if err != nil {
		status, why := p.explain(v, err)
		v.Title, v.Problem = v.T("sign-in"), why
		v.Data = signInData{Login: r.PostFormValue("login"), Next: r.PostFormValue("next"), NeedCode: errors.Is(err, desk.ErrCode),
			NeedOwn: errors.Is(err, desk.ErrFirst) || r.PostForm.Has("new"), Provider: p.Provider != nil}
		p.show(w, v, status, "signin")
		return
	}
	http.SetCookie(w, api.Cookie(token, p.Secure))
	http.Redirect(w, r, inside(r.PostFormValue("next")), http.StatusSeeOther)
}

// inside keeps a path of ours; whatever leads elsewhere becomes the first page.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, "\\") {
		return "/review"
	}
	return next
}

func (p *pages) signOut(w http.ResponseWriter, r *http.Request) {
	token := api.Token(r)
	if by, err := p.Desk.Caller(r.Context(), token); err == nil {
		by.From = api.Address(r)
		if err := p.Desk.SignOut(r.Context(), by, token); err != nil {
			p.Log.Error("Sign-out failed", "error", err)
		}
	}
	http.SetCookie(w, api.Cookie("", p.Secure))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

func (p *pages) oidcStart(w http.ResponseWriter, r *http.Request) {
	if err := p.Provider.Start(w, r, p.Secure); err != nil {
		v := p.view(w, r, desk.Caller{})
		p.Log.Error("OpenID sign-in failed", "error", err)
		p.fail(w, v, http.StatusBadGateway, v.T("went-wrong"), "")
	}
}

func (p *pages) oidcCallback(w http.ResponseWriter, r *http.Request) {
	token, err := p.Provider.Finish(r, api.Address(r))
	if err != nil {
		v := p.view(w, r, desk.Caller{})
		p.Log.Warn("OpenID sign-in failed", "error", err)
		v.Title, v.Problem, v.Data = v.T("sign-in"), api.Title("wrong-password", v.english), signInData{Provider: true}
		if refusal, ok := errors.AsType[*desk.Refusal](err); ok {
			v.Problem = refusal.Error()
		}
		p.show(w, v, http.StatusUnauthorized, "signin")
		return
	}
	http.SetCookie(w, api.Cookie(token, p.Secure))
	// The cookie is strict: a page of our own must lead on, not the provider's.
	w.Header().Set("Refresh", "0; url=/review")
	v := p.view(w, r, desk.Caller{})
	v.Title, v.Data = v.T("sign-in"), ""
	p.show(w, v, http.StatusOK, "problem")
}

func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}
