// Package api is the hub's HTTP interface under /api/v1: every act of the desk
// as an operation, described by OpenAPI 3.1.
package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/fleet"
	"cotmoc/hub/server/publish"
	"cotmoc/playlist"
)

// Prefix is where the operations are.
const Prefix = "/api/v1"

// Limits on what a request may bring.
const (
	maxBody    = 6 << 20 // a version's text has at most 2 MiB, and JSON may double it
	maxPage    = 200
	maxSignIn  = 8 << 10
	bigBody    = 64 << 10 // of these an account sends a few at once
	maxKeyLen  = 255
	cookieName = "cotmoc_session"
)

// Taker takes in a file that was uploaded whole.
type Taker interface {
	TakeIn(ctx context.Context, by desk.Caller, owner playlist.ID, name, path string) (desk.File, error)
	Feed(ctx context.Context, by desk.Caller, f FeedImport) (ImportResult, error)
}

// FeedImport is a document of somebody else's that becomes drafts.
type FeedImport struct {
	Kind     string            `json:"kind" enum:"feed,cap" doc:"RSS or Atom, or CAP 1.2"`
	Owner    playlist.ID       `json:"owner" doc:"place that will own the drafts"`
	Class    string            `json:"class,omitempty" doc:"class of the items"`
	Language playlist.Language `json:"language,omitempty" doc:"of the feed, where it does not say"`
	Document string            `json:"document" doc:"the XML itself" maxLength:"4000000"`
}

// ImportResult says what became of an import.
type ImportResult struct {
	Created []playlist.ID `json:"created"`           // drafts of versions, or notices
	Known   int           `json:"known"`             // that were imported before
	Refused []string      `json:"refused,omitempty"` // what could not be taken, and why
}

// Options are what the interface is made of.
type Options struct {
	Desk    *desk.Desk
	Plans   *desk.Plans
	Taker   Taker
	Public  publish.Public
	Fleet   *fleet.Fleet
	Uploads string // folder of files on their way
	Secure  bool   // cookies go over TLS only
	Log     *slog.Logger
}

// Server answers requests.
type Server struct {
	Options
	huma    huma.API
	uploads *uploads
	rooms   rooms
}

// rooms are the places for requests, by purpose. Each is shared out: strangers by
// address, people by account.
type rooms struct {
	strangers *admission.Room // short work for who is not known yet: signing in waits elsewhere
	staff     *admission.Room
	notices   *admission.Room // emergency notices, which nothing else keeps waiting
	bulk      *admission.Room // files, up and down
	bodies    *admission.Room // large bodies that are on their way
}

func newRooms() rooms {
	return rooms{
		strangers: admission.NewRoom(1024, 128), staff: admission.NewRoom(128, 16),
		notices: admission.NewRoom(32, 8), bulk: admission.NewRoom(64, 6), bodies: admission.NewRoom(48, 4),
	}
}

// Times within which a body must be here.
const (
	signInTime = 10 * time.Second
	bodyTime   = time.Minute
)

// New makes the interface and returns its handler.
func New(o Options) (*Server, http.Handler) {
	s := &Server{Options: o, uploads: newUploads(o.Uploads, o.Desk.Now), rooms: newRooms()}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Cột Mốc hub", "1")
	config.Info.Description = "The central database of official information for Vietnam's border gates. Staff sign in with POST /session; the token goes into Authorization: Bearer. Every change names the revision that it changes in If-Match; every request that creates may carry an Idempotency-Key. Errors are RFC 9457 problems with a stable `code`."
	config.OpenAPIPath = "" // it is served without huma's variants, byte for byte as checked in
	config.DocsPath, config.SchemasPath = "", ""
	config.CreateHooks, config.Transformers = nil, nil
	config.NoFormatFallback = false
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"token": {}}}
	config.FieldsOptionalByDefault = true // the domain says what is needed, in plainer words
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", namer)
	s.huma = humago.New(mux, config)
	s.registerAll()
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(s.OpenAPI())
	})
	s.uploads.register(s, mux)
	mux.HandleFunc("GET "+Prefix+"/files/{hash}", s.download)
	mux.HandleFunc(Prefix+"/", func(w http.ResponseWriter, r *http.Request) { s.nothing(mux, w, r) })
	return s, s.around(mux)
}

// nothing answers where no operation is: 405 where another method would find one.
func (s *Server) nothing(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := mux.Handler(other); pattern != Prefix+"/" && pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.problem(w, r, problem(http.StatusMethodNotAllowed, "method", "this address takes "+strings.Join(allowed, ", ")))
		return
	}
	s.problem(w, r, problem(http.StatusNotFound, "not-found", "there is nothing at this address"))
}

// open says whether an address answers people who are not signed in. To all
// others nothing of a request is read before it is known who asks.
func open(r *http.Request) bool {
	return r.URL.Path == "/openapi.json" || r.URL.Path == Prefix+"/session" && r.Method == http.MethodPost || r.Method == http.MethodOptions
}

// namer names schemas by their Go types. Two are called alike in two packages.
func namer(t reflect.Type, hint string) string {
	switch t {
	case reflect.TypeFor[desk.Version]():
		return "StoredVersion"
	case reflect.TypeFor[desk.Calendar]():
		return "OwnedCalendar"
	}
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "PlaylistID", "ID")
}

type callerKey struct{}

type signedIn struct {
	caller  desk.Caller
	token   string
	err     error
	english bool // problems are titled so
}

// around is what every request passes: who asks, the body, a place, and the key that
// makes a repeated request harmless. A request takes a place only once it is here whole,
// but for a file's pieces, which have a room of their own.
func (s *Server) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "private, no-cache")
		in, ok := s.who(r)
		if !ok {
			s.busy(w, r)
			return
		}
		if in.err != nil && !open(r) {
			s.problem(w, r, in.err)
			return
		}
		if err := s.body(w, r, in); err != nil {
			s.problem(w, r, err)
			return
		}
		room, key := s.room(r, in)
		leave, ok := room.Enter(key)
		if !ok {
			s.busy(w, r)
			return
		}
		defer leave()
		if in.err == nil {
			if err := keyed(r, &in.caller); err != nil {
				s.problem(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, in)))
	})
}

func (s *Server) busy(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, problem(http.StatusServiceUnavailable, "busy", "too many requests at once: try again"))
}

// who finds out who asks; ok is false where too many are asked about at once.
func (s *Server) who(r *http.Request) (in signedIn, ok bool) {
	in = signedIn{err: desk.ErrSession, english: English(r.Header.Get("Accept-Language")), token: Token(r)}
	if in.token != "" {
		leave, ok := s.rooms.strangers.Enter(admission.Address(r.RemoteAddr))
		if !ok {
			return in, false
		}
		in.caller, in.err = s.Desk.Caller(r.Context(), in.token)
		leave()
	}
	in.caller.From = Address(r)
	return in, true
}

// isBulk says whether a request brings or fetches a file's bytes.
func isBulk(r *http.Request) bool {
	return r.Method == http.MethodPatch || strings.HasPrefix(r.URL.Path, Prefix+"/files/") || strings.HasPrefix(r.URL.Path, Prefix+"/uploads/")
}

// room is where a request finds a place, and whose it is.
func (s *Server) room(r *http.Request, in signedIn) (*admission.Room, string) {
	switch {
	case in.err != nil:
		return s.rooms.strangers, admission.Address(r.RemoteAddr)
	case isBulk(r):
		return s.rooms.bulk, string(in.caller.Account)
	case strings.HasPrefix(r.URL.Path, Prefix+"/notices"):
		return s.rooms.notices, string(in.caller.Account)
	}
	return s.rooms.staff, string(in.caller.Account)
}

// body reads a request whole. A piece of an upload is read as it is written.
func (s *Server) body(w http.ResponseWriter, r *http.Request, in signedIn) error {
	if r.Method == http.MethodPatch && isBulk(r) {
		return nil
	}
	most, within := int64(maxBody), bodyTime
	if in.err != nil {
		most, within = maxSignIn, signInTime
	} else if r.ContentLength < 0 || r.ContentLength > bigBody {
		leave, ok := s.rooms.bodies.Enter(string(in.caller.Account))
		if !ok {
			return problem(http.StatusServiceUnavailable, "busy", "too many large requests at once: try again")
		}
		defer leave()
	}
	switch err := admission.Body(w, r, most, within); {
	case errors.Is(err, admission.ErrTooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the request has more than %d KiB", most>>10))
	case err != nil:
		return problem(http.StatusBadRequest, "invalid", "the request broke off, or came too slowly")
	}
	return nil
}

// keyed reads the idempotency key and hashes the request that it stands for.
func keyed(r *http.Request, by *desk.Caller) error {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || r.Method != http.MethodPost {
		return nil
	}
	if len(key) > maxKeyLen || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return problem(http.StatusBadRequest, "invalid", "an Idempotency-Key has 1 to 255 printable ASCII characters")
	}
	body, err := io.ReadAll(r.Body) // it is here already
	if err != nil {
		return problem(http.StatusBadRequest, "invalid", "the request broke off")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	h.Write([]byte(r.Method + " " + r.URL.RequestURI() + "\n" + r.Header.Get("If-Match") + "\n"))
	h.Write(body)
	by.Key, by.Request = key, h.Sum(nil)
	return nil
}

// Token returns the token of a request: the bearer's, else the cookie's.
func Token(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return strings.TrimSpace(token)
	}
	// A browser sends its cookie with whatever another site makes it ask: through
	// the API it only reads. The pages' forms are guarded by themselves.
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead || !strings.HasPrefix(r.URL.Path, Prefix)
	if c, err := r.Cookie(cookieName); err == nil && reads {
		return c.Value
	}
	return ""
}

// Cookie makes the cookie that carries a token; an empty token takes it away.
func Cookie(token string, secure bool) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Value: token, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode, MaxAge: int(desk.SessionLife.Seconds())}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// Address is where a request came from, without its port.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// caller is who asks; an error if nobody is signed in.
func caller(ctx context.Context) (desk.Caller, error) {
	in, ok := ctx.Value(callerKey{}).(signedIn)
	if !ok {
		return desk.Caller{}, desk.ErrSession
	}
	if in.err != nil {
		return in.caller, in.err
	}
	return in.caller, nil
}

// add registers an operation. Its errors become problems.
func add[I, O any](s *Server, op huma.Operation, f func(ctx context.Context, by desk.Caller, in *I) (*O, error)) {
	op.Path = Prefix + op.Path
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	op.BodyReadTimeout = -1 // the hub's own, which grants each piece its time
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity)
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		by, err := caller(ctx)
		if err != nil {
			return nil, explainIn(ctx, err)
		}
		out, err := f(ctx, by, in)
		if err != nil {
			err = explainIn(ctx, err)
			if p, ok := errors.AsType[*Problem](err); ok && p.Status >= 500 {
				s.Log.Error("Request failed", "path", op.Path, "error", p.cause)
			}
			return nil, err
		}
		return out, nil
	})
}

// OpenAPI returns the description of all operations.
func (s *Server) OpenAPI() []byte {
	raw, err := indent(s.huma.OpenAPI())
	if err != nil {
		panic(err) // the description is made of this program's own types
	}
	return raw
}

func (s *Server) registerAll() {
	s.session()
	s.objects()
	s.versions()
	s.people()
	s.planning()
	s.records()
}
