package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
	"cotmoc/playlist/media"
)

// Limits of uploads.
const (
	MaxUpload  = 8 << 30 // bytes of one file
	uploadLife = 72 * time.Hour
	flushEvery = 4 << 20 // bytes that a cut link or power cut may cost
	extensions = "creation,checksum,expiration,termination"
)

// uploads keeps files on their way: ID.part holds the bytes, ID.offset how many
// of them are durable. What is beyond after a power cut is written over.
type uploads struct {
	dir  string
	now  func() time.Time
	mu   sync.Mutex
	busy map[playlist.ID]bool
}

func newUploads(dir string, now func() time.Time) *uploads {
	return &uploads{dir: dir, now: now, busy: map[playlist.ID]bool{}}
}

func (u *uploads) part(id playlist.ID) string  { return filepath.Join(u.dir, string(id)+".part") }
func (u *uploads) count(id playlist.ID) string { return filepath.Join(u.dir, string(id)+".offset") }

// take reserves an upload for one request at a time.
func (u *uploads) take(id playlist.ID) (func(), error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy[id] {
		return nil, problem(http.StatusLocked, "locked", "another request is writing to this upload")
	}
	u.busy[id] = true
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.busy, id)
	}, nil
}

func (u *uploads) offset(id playlist.ID) (int64, error) {
	raw, err := os.ReadFile(u.count(id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("upload: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("upload %s: its offset is damaged", id)
	}
	return n, nil
}

// remove forgets an upload's bytes.
func (u *uploads) remove(id playlist.ID) error {
	var errs []error
	for _, path := range []string{u.part(id), u.count(id)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove an upload: %w", err))
		}
	}
	return errors.Join(errs...)
}

// RemoveUploads removes the bytes of uploads that ended, and of those that no
// upload is known for.
func (s *Server) RemoveUploads(ctx context.Context, ended []playlist.ID) error {
	var errs []error
	for _, id := range ended {
		errs = append(errs, s.uploads.remove(id))
	}
	left, _ := filepath.Glob(filepath.Join(s.uploads.dir, "*.*"))
	for _, path := range left {
		id := playlist.ID(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".part"), ".offset"))
		if _, err := s.Desk.Get(ctx, central.Uploads, id); errors.Is(err, central.ErrNotFound) {
			errs = append(errs, s.uploads.remove(id))
		}
	}
	return errors.Join(errs...)
}

// register adds the tus operations, which are no JSON.
func (u *uploads) register(s *Server, mux *http.ServeMux) {
	handle := func(pattern string, f func(http.ResponseWriter, *http.Request, desk.Caller) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Tus-Resumable", "1.0.0")
			w.Header().Set("Cache-Control", "no-store")
			by, err := caller(r.Context())
			if err == nil && r.Method != http.MethodPost && r.Header.Get("Tus-Resumable") != "1.0.0" {
				w.Header().Set("Tus-Version", "1.0.0")
				err = problem(http.StatusPreconditionFailed, "unsupported", "Tus-Resumable must be 1.0.0")
			}
			if err == nil {
				err = f(w, r, by)
			}
			if err != nil {
				s.problem(w, r, err)
			}
		})
	}
	path := Prefix + "/uploads"
	handle("POST "+path, s.createUpload)
	handle("HEAD "+path+"/{id}", s.headUpload)
	handle("PATCH "+path+"/{id}", s.patchUpload)
	handle("DELETE "+path+"/{id}", s.deleteUpload)
	handle("POST "+path+"/{id}/finish", s.finishUpload)
	mux.HandleFunc("OPTIONS "+path, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Tus-Resumable", "1.0.0")
		h.Set("Tus-Version", "1.0.0")
		h.Set("Tus-Extension", extensions)
		h.Set("Tus-Max-Size", strconv.FormatInt(MaxUpload, 10))
		h.Set("Tus-Checksum-Algorithm", "sha256")
		w.WriteHeader(http.StatusNoContent)
	})
}

// room refuses what would fill the disk: the database on it must go on.
func (u *uploads) room(bytes int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(u.dir, &disk); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	reserve := min(int64(200<<20), int64(disk.Blocks)*disk.Bsize/10)
	if free := int64(disk.Bavail) * disk.Bsize; free-bytes < reserve {
		return fmt.Errorf("%w: %d MB are free", media.ErrNoRoom, free>>20)
	}
	return nil
}

// metadata reads tus' Upload-Metadata: names and base64 values.
func metadata(header string) (map[string]string, error) {
	out := map[string]string{}
	if len(header) > 4096 {
		return nil, problem(http.StatusBadRequest, "invalid", "Upload-Metadata is longer than 4096 bytes")
	}
	for _, part := range strings.Split(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		if name == "" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, problem(http.StatusBadRequest, "invalid", "Upload-Metadata is not in base64")
		}
		out[name] = string(raw)
	}
	return out, nil
}

func (s *Server) createUpload(w http.ResponseWriter, r *http.Request, by desk.Caller) error {
	length, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || length < 1 {
		return problem(http.StatusBadRequest, "invalid", "Upload-Length is not a number of bytes of 1 or more")
	}
	if length > MaxUpload {
		return problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("a file has at most %d GiB", MaxUpload>>30))
	}
	meta, err := metadata(r.Header.Get("Upload-Metadata"))
	if err != nil {
		return err
	}
	if err := s.uploads.room(length); err != nil {
		return err
	}
	name := filepath.Base(filepath.Clean("/" + strings.ToValidUTF8(meta["filename"], "_")))
	if name == "/" || name == "." || len(name) > 255 {
		name = "file"
	}
	u, err := s.Desk.StartUpload(r.Context(), by, desk.Upload{ID: desk.NewID(), Owner: playlist.ID(meta["place"]), Name: name, Length: length, Expires: s.Desk.Now().Add(uploadLife)})
	if err != nil {
		return err
	}
	w.Header().Set("Location", Prefix+"/uploads/"+string(u.ID))
	w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusCreated)
	return nil
}

// upload returns the upload of a request and how much of it is durable.
func (s *Server) upload(r *http.Request, by desk.Caller) (desk.Upload, int64, error) {
	u, err := s.Desk.Upload(r.Context(), by, playlist.ID(r.PathValue("id")))
	if err != nil {
		return u, 0, err
	}
	if u.File != "" { // it was finished: all is here
		return u, u.Length, nil
	}
	offset, err := s.uploads.offset(u.ID)
	return u, offset, err
}

// hold is upload for a request that changes it: one at a time, until leave.
func (s *Server) hold(r *http.Request, by desk.Caller) (u desk.Upload, offset int64, leave func(), err error) {
	if leave, err = s.uploads.take(playlist.ID(r.PathValue("id"))); err != nil {
		return u, 0, nil, err
	}
	if u, offset, err = s.upload(r, by); err != nil {
		leave()
	}
	return u, offset, leave, err
}

func (s *Server) headUpload(w http.ResponseWriter, r *http.Request, by desk.Caller) error {
	u, offset, err := s.upload(r, by)
	if err != nil {
		return err
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) patchUpload(w http.ResponseWriter, r *http.Request, by desk.Caller) error {
	u, offset, leave, err := s.hold(r, by)
	if err != nil {
		return err
	}
	defer leave()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/offset+octet-stream" {
		return problem(http.StatusUnsupportedMediaType, "unsupported", "Content-Type must be application/offset+octet-stream")
	}
	if at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64); err != nil || at != offset {
		w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
		return problem(http.StatusConflict, "wrong-offset", fmt.Sprintf("the next byte is number %d", offset))
	}
	if r.ContentLength > u.Length-offset {
		return problem(http.StatusRequestEntityTooLarge, "too-large", "these are more bytes than the upload was to have")
	}
	want, err := checksum(r.Header.Get("Upload-Checksum"))
	if err != nil {
		return err
	}
	if err := s.uploads.room(max(r.ContentLength, 0)); err != nil {
		return err
	}
	now, err := s.uploads.write(u, offset, r.Body, want)
	w.Header().Set("Upload-Offset", strconv.FormatInt(now, 10))
	w.Header().Set("Upload-Expires", u.Expires.UTC().Format(http.TimeFormat))
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func checksum(header string) ([]byte, error) {
	if header == "" {
		return nil, nil
	}
	algorithm, value, _ := strings.Cut(header, " ")
	raw, err := base64.StdEncoding.DecodeString(value)
	if algorithm != "sha256" || err != nil || len(raw) != sha256.Size {
		return nil, problem(http.StatusBadRequest, "unsupported", "Upload-Checksum is not sha256 in base64")
	}
	return raw, nil
}

// write appends a piece. Without a checksum, as much of it stays as came; with
// one, all of it or nothing.
func (u *uploads) write(up desk.Upload, offset int64, body io.Reader, want []byte) (int64, error) {
	f, err := os.OpenFile(u.part(up.ID), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return offset, fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(offset); err != nil { // what a power cut left behind the durable part
		return offset, fmt.Errorf("upload: %w", err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return offset, fmt.Errorf("upload: %w", err)
	}
	sum := sha256.New()
	body = io.LimitReader(body, up.Length-offset)
	at, piece := offset, make([]byte, flushEvery)
	for {
		n, readErr := io.ReadFull(body, piece)
		if _, err := f.Write(piece[:n]); err != nil {
			return offset, fmt.Errorf("write an upload: %w", err)
		}
		sum.Write(piece[:n])
		at += int64(n)
		if want == nil && n > 0 {
			if err := u.keep(up.ID, f, at); err != nil {
				return offset, err
			}
			offset = at
		}
		switch {
		case readErr == nil:
			continue
		case !errors.Is(readErr, io.EOF) && !errors.Is(readErr, io.ErrUnexpectedEOF) && want == nil:
			return offset, problem(http.StatusBadRequest, "invalid", "the piece broke off; what came of it was kept")
		case !errors.Is(readErr, io.EOF) && !errors.Is(readErr, io.ErrUnexpectedEOF):
			return offset, problem(http.StatusBadRequest, "invalid", "the piece broke off, so nothing of it was kept")
		case want == nil:
			return offset, nil
		case string(sum.Sum(nil)) != string(want):
			return offset, problem(460, "wrong-checksum", "the piece is not what its checksum says: send it again")
		}
		return at, u.keep(up.ID, f, at)
	}
}

// keep makes the bytes up to at durable, and then says so.
func (u *uploads) keep(id playlist.ID, f *os.File, at int64) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flush an upload: %w", err)
	}
	return atomicfile.Write(u.count(id), []byte(strconv.FormatInt(at, 10)), 0o600)
}

func (s *Server) deleteUpload(w http.ResponseWriter, r *http.Request, by desk.Caller) error {
	u, _, leave, err := s.hold(r, by)
	if err != nil {
		return err
	}
	defer leave()
	if err := errors.Join(s.Desk.EndUpload(r.Context(), u.ID), s.uploads.remove(u.ID)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// finishUpload hands a whole file to the gate and answers with what is known of it.
func (s *Server) finishUpload(w http.ResponseWriter, r *http.Request, by desk.Caller) error {
	u, offset, leave, err := s.hold(r, by)
	if err != nil {
		return err
	}
	defer leave()
	if offset != u.Length {
		return problem(http.StatusConflict, "wrong-offset", fmt.Sprintf("%d of %d bytes are here", offset, u.Length))
	}
	by.Key = "" // the file's hash makes a repetition harmless
	// Whoever asked may have lost the link: the work goes on, and its outcome is
	// there when they ask again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishTime)
	defer cancel()
	f, err := s.finish(ctx, by, u)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", Prefix+"/media/"+string(f.SHA256))
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(f)
}

// finishTime is how long looking at a file and keeping it may take.
const finishTime = 30 * time.Minute

func (s *Server) finish(ctx context.Context, by desk.Caller, u desk.Upload) (desk.File, error) {
	if u.File != "" {
		return s.Desk.File(ctx, u.File)
	}
	f, err := s.Taker.TakeIn(ctx, by, u.Owner, u.Name, s.uploads.part(u.ID))
	if errors.Is(err, ErrFile) { // it will not get better
		return f, errors.Join(err, s.Desk.EndUpload(ctx, u.ID), s.uploads.remove(u.ID))
	}
	if err != nil {
		return f, err
	}
	return f, errors.Join(s.Desk.FinishUpload(ctx, u.ID, f.SHA256), s.uploads.remove(u.ID))
}

// inline are the types that a browser may show; all others are downloaded.
var inline = map[string]bool{"image/png": true, "image/jpeg": true, "image/webp": true, "image/gif": true, "video/mp4": true, "video/webm": true, "audio/mpeg": true, "audio/mp4": true, "audio/ogg": true, "application/pdf": true}

// download serves a file by its hash.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	by, err := caller(r.Context())
	if err != nil {
		s.problem(w, r, err)
		return
	}
	h := playlist.Hash(r.PathValue("hash"))
	f, err := s.Desk.FileFor(r.Context(), by, h)
	if err != nil {
		s.problem(w, r, err)
		return
	}
	bytes, err := s.Desk.Files.Open(r.Context(), h)
	if err != nil {
		s.problem(w, r, err)
		return
	}
	defer bytes.Close()
	w.Header().Set("Content-Type", f.Type)
	w.Header().Set("ETag", `"`+string(h)+`"`)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
	disposition := "attachment"
	if inline[f.Type] {
		disposition = "inline"
	}
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": f.Name}))
	http.ServeContent(w, r, "", time.Time{}, bytes)
}
