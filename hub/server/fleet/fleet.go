// Package fleet is the hub's side of the kiosks: enrolment, certificates, the
// stream that tells them to look, their reports and their proof of play. What they
// show comes from static files that anybody may serve; nothing here can add to it.
package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// Limits of what devices may send, in bytes.
const (
	maxReport = 256 << 10
	maxBatch  = 2 << 20
	maxAsk    = 16 << 10
)

// Store keeps what devices report. It is safe for concurrent use; each call is
// durable when it returns, together with the others that came meanwhile.
type Store interface {
	// Said returns what a device last said; the zero value if it never spoke.
	Said(ctx context.Context, device string) (central.Said, error)
	AllSaid(ctx context.Context) ([]central.Said, error)
	Keep(ctx context.Context, s central.Said) error
	// Take adds rows of proof once each, and the counts of a machine at a place, and
	// returns up to which number of the epoch all proof has come.
	Take(ctx context.Context, place playlist.ID, b feed.Batch) (int64, error)
	// Counts sums up what visitors did at places, over their machines, by day.
	Counts(ctx context.Context, places []playlist.ID, from, until playlist.Date) ([]feed.Count, error)
	// Shown sums up the proof of a notice by device and display.
	Shown(ctx context.Context, notice playlist.ID) ([]*central.Shown, error)
	// Forget lets go of what was counted before a day.
	Forget(ctx context.Context, before playlist.Date) error
	CountPlays(ctx context.Context) (map[string]int64, error)
	Close() error
}

// Fleet answers devices.
type Fleet struct {
	Desk      *desk.Desk
	Store     Store
	Authority *Authority
	Seal      ed25519.PrivateKey // of assignments and of the time
	Public    http.Handler       // the published folder
	Log       *slog.Logger

	stream *stream
	known  *devices
	rooms  rooms
	rates  *rates
}

// rooms are the places of the device port, by purpose: films never keep metadata and
// notices waiting, nor strangers machines.
type rooms struct {
	metadata, files, posts *admission.Room // of machines, by their certificates
	strangersMetadata      *admission.Room // by address
	strangersFiles         *admission.Room
	strangersPosts         *admission.Room
	opening                *admission.Room // streams that are being opened
}

func newRooms() rooms {
	return rooms{
		metadata: admission.NewRoom(1024, 16), files: admission.NewRoom(192, 4), posts: admission.NewRoom(256, 2),
		strangersMetadata: admission.NewRoom(256, 64), strangersFiles: admission.NewRoom(64, 8), strangersPosts: admission.NewRoom(64, 16),
		opening: admission.NewRoom(256, 2), // the second where a machine gave up the first
	}
}

// Times within which a body must be here.
const (
	askTime  = 10 * time.Second
	postTime = 30 * time.Second
)

// New makes a fleet.
func New(f Fleet) *Fleet {
	f.stream, f.known, f.rooms, f.rates = newStream(), newDevices(), newRooms(), &rates{of: map[string]rate{}}
	return &f
}

// Handler answers devices. It expects TLS as Authority.Config makes it.
func (f *Fleet) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/public/", http.StripPrefix("/public/", f.Shared(f.Public)))
	mux.HandleFunc("POST /device/v1/ask", f.ask)
	mux.HandleFunc("GET /device/v1/ask/{id}", f.asked)
	mux.HandleFunc("POST /device/v1/renew", f.renew)
	mux.HandleFunc("GET /device/v1/events", f.events)
	mux.HandleFunc("POST /device/v1/report", f.report)
	mux.HandleFunc("POST /device/v1/plays", f.plays)
	return mux
}

// Shared lets requests for published files through, each in the room of what it asks
// for and of who asks.
func (f *Fleet) Shared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		film := first == "files" || first == "chunks"
		key, machine := f.key(r)
		room := f.rooms.metadata
		switch {
		case machine && film:
			room = f.rooms.files
		case film:
			room = f.rooms.strangersFiles
		case !machine:
			room = f.rooms.strangersMetadata
		}
		leave, ok := room.Enter(key)
		if !ok {
			busy(w)
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// key is whose a request is: the machine's, by a certificate of this hub, else the
// address's.
func (f *Fleet) key(r *http.Request) (key string, machine bool) {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		leaf := r.TLS.PeerCertificates[0]
		if public, ok := leaf.PublicKey.(ed25519.PublicKey); ok && leaf.CheckSignatureFrom(f.Authority.Certificate) == nil {
			return string(public), true
		}
	}
	return admission.Address(r.RemoteAddr), false
}

func busy(w http.ResponseWriter) { admission.Busy(w) }

// refuse answers with one plain sentence; fetch shows it to the technician.
func refuse(w http.ResponseWriter, status int, why string) { http.Error(w, why, status) }

// device is who asks, by the key of its certificate. Grace lets certificates pass
// whose time is over.
func (f *Fleet) device(w http.ResponseWriter, r *http.Request, grace bool) (desk.Device, bool) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		refuse(w, http.StatusUnauthorized, "this needs a device's certificate")
		return desk.Device{}, false
	}
	leaf := r.TLS.PeerCertificates[0]
	dev, err := f.lookup(r.Context(), leaf, grace)
	switch {
	case errors.Is(err, errCertificate), errors.Is(err, central.ErrNotFound):
		refuse(w, http.StatusUnauthorized, "this certificate is not believed here")
	case errors.Is(err, errOver):
		refuse(w, http.StatusUnauthorized, "this certificate's time is over: renew it")
	case err != nil:
		f.Log.Error("Device could not be looked up", "error", err)
		busy(w)
	case dev.State == desk.DeviceRevoked:
		refuse(w, http.StatusForbidden, "revoked")
	case dev.State == desk.DeviceHeld:
		refuse(w, http.StatusForbidden, "held")
	default:
		return dev, true
	}
	return desk.Device{}, false
}

var (
	errCertificate = errors.New("the certificate is not one of this hub's")
	errOver        = errors.New("the certificate's time is over")
)

func (f *Fleet) lookup(ctx context.Context, leaf *x509.Certificate, grace bool) (desk.Device, error) {
	public, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok || leaf.CheckSignatureFrom(f.Authority.Certificate) != nil {
		return desk.Device{}, errCertificate
	}
	if now := f.Desk.Now(); !grace && now.After(leaf.NotAfter) {
		return desk.Device{}, errOver
	}
	return f.known.get(ctx, f.Desk, public)
}

// read reads a request whole, within its time, before it takes a place; leave gives the
// place back.
func (f *Fleet) read(w http.ResponseWriter, r *http.Request, most int64, within time.Duration, v any) (leave func(), ok bool) {
	err := admission.Body(w, r, most, within)
	if err == nil {
		err = json.NewDecoder(r.Body).Decode(v)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "this request cannot be read")
		return nil, false
	}
	room := f.rooms.strangersPosts
	key, machine := f.key(r)
	if machine {
		room = f.rooms.posts
	}
	if leave, ok = room.Enter(key); !ok {
		busy(w)
	}
	return leave, ok
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the device may have gone
}

// ask takes a machine's wish to be enrolled. Anybody may ask; staff confirm.
func (f *Fleet) ask(w http.ResponseWriter, r *http.Request) {
	var a feed.Asking
	leave, ok := f.read(w, r, maxAsk, askTime, &a)
	if !ok {
		return
	}
	defer leave()
	csr, err := x509.ParseCertificateRequest(a.Request)
	if err == nil {
		err = csr.CheckSignature()
	}
	public, own := ed25519.PublicKey(nil), false
	if err == nil {
		public, own = csr.PublicKey.(ed25519.PublicKey)
	}
	if err != nil || !own || string(public) != string(a.Public) {
		refuse(w, http.StatusBadRequest, "the request does not prove that the key is the machine's own")
		return
	}
	p, err := f.Desk.Ask(r.Context(), address(r), public, a.Request, a.Code)
	var slow *desk.SlowError
	switch {
	case errors.As(err, &slow):
		w.Header().Set("Retry-After", strconv.Itoa(int(slow.Wait.Seconds())+1))
		refuse(w, http.StatusTooManyRequests, slow.Error())
	case errors.Is(err, desk.ErrManyAsk):
		w.Header().Set("Retry-After", "60")
		refuse(w, http.StatusTooManyRequests, err.Error())
	case errors.Is(err, desk.ErrPairing):
		refuse(w, http.StatusForbidden, desk.ErrPairing.Error())
	case errors.Is(err, desk.ErrNoTrust):
		refuse(w, http.StatusConflict, desk.ErrNoTrust.Error())
	case err != nil:
		f.Log.Warn("Enrolment was refused", "error", err)
		refuse(w, http.StatusForbidden, err.Error())
	default:
		answer(w, feed.Pairing{ID: string(p.ID), Code: p.Code, Until: p.Until})
	}
}

// asked says how far an enrolment is, and hands over the certificate once.
func (f *Fleet) asked(w http.ResponseWriter, r *http.Request) {
	p, err := f.Desk.Pairing(r.Context(), playlist.ID(r.PathValue("id")))
	if errors.Is(err, central.ErrNotFound) {
		answer(w, feed.Pending{State: "over"})
		return
	}
	if err != nil {
		busy(w)
		return
	}
	out := feed.Pending{State: p.State}
	switch {
	case p.State == desk.PairingAccepted:
		e, err := f.enrolled(r.Context(), p)
		if err != nil {
			f.Log.Error("Enrolment was not answered", "error", err)
			busy(w)
			return
		}
		out.Enrolled = e
	case !f.Desk.Now().Before(p.Until):
		out.State = "over"
	}
	answer(w, out)
}

func (f *Fleet) enrolled(ctx context.Context, p desk.Pairing) (*feed.Envelope, error) {
	csr, err := x509.ParseCertificateRequest(p.Request)
	if err != nil {
		return nil, err
	}
	public, ok := csr.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errCertificate
	}
	cert, err := f.Authority.Issue(string(p.Device), public, f.Desk.Now())
	if err != nil {
		return nil, err
	}
	a, err := f.assignment(ctx, p.Device)
	if err != nil {
		return nil, err
	}
	e, err := trust.Seal(feed.WhatEnrolled, feed.Enrolled{Device: string(p.Device), Public: public, Certificate: cert, Authority: f.Authority.Certificate.Raw, Assignment: a}, f.Seal)
	return &e, err
}

func (f *Fleet) assignment(ctx context.Context, device playlist.ID) (feed.Envelope, error) {
	a, err := f.Desk.Assignment(ctx, device)
	if err != nil {
		return feed.Envelope{}, err
	}
	return trust.Seal(feed.WhatAssignment, a, f.Seal)
}

// renew hands out a new certificate for the same key, also to one whose time is
// over: outages outlast certificates. Revoked and held devices get none.
func (f *Fleet) renew(w http.ResponseWriter, r *http.Request) {
	dev, ok := f.device(w, r, true)
	if !ok {
		return
	}
	public := r.TLS.PeerCertificates[0].PublicKey.(ed25519.PublicKey) // lookup saw that it is one
	cert, err := f.Authority.Issue(string(dev.ID), public, f.Desk.Now())
	var a feed.Envelope
	if err == nil {
		a, err = f.assignment(r.Context(), dev.ID)
	}
	var e feed.Envelope
	if err == nil {
		e, err = trust.Seal(feed.WhatEnrolled, feed.Enrolled{Device: string(dev.ID), Public: public, Certificate: cert, Authority: f.Authority.Certificate.Raw, Assignment: a}, f.Seal)
	}
	if err != nil {
		f.Log.Error("Certificate was not renewed", "device", dev.ID, "error", err)
		busy(w)
		return
	}
	answer(w, e)
}
