// Package intake takes in what people bring: it looks at every file before it
// is kept and refuses with a plain reason, makes renditions for the screens in
// bounded children, and turns other systems' documents into drafts.
package intake

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // known pictures
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	_ "golang.org/x/image/webp" // known pictures

	"cotmoc/hub/server/api"
	"cotmoc/hub/server/desk"
	"cotmoc/internal/bounded"
	"cotmoc/internal/ffmpeg"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// Limits on what is taken.
const (
	MaxLasts    = 4 * time.Hour
	maxPixels   = 64 << 20
	maxSide     = 20_000
	maxCaptions = 1 << 20
	maxPDF      = 200 << 20
	maxPicture  = 256 << 20
)

// refuse is a reason for which a file is not taken, in words for whoever
// brought it.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", api.ErrFile, fmt.Sprintf(format, args...))
}

// Look says what a file is, by its bytes and not by its name, or why it is not
// taken. The work that remains is the second result, empty if there is none.
func Look(ctx context.Context, path, name string) (f desk.File, work string, err error) {
	in, err := os.Open(path)
	if err != nil {
		return f, "", fmt.Errorf("look at a file: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return f, "", fmt.Errorf("look at a file: %w", err)
	}
	if info.Size() == 0 {
		return f, "", refuse("the file is empty")
	}
	f = desk.File{Bytes: info.Size(), Name: name, State: desk.FileReady}
	head := make([]byte, 512)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return f, "", fmt.Errorf("look at a file: %w", err)
	}
	head = head[:n]
	switch kind := sniff(head); kind {
	case "picture":
		return f, "", lookPicture(in, &f)
	case "pdf":
		f.Type, f.State = "application/pdf", desk.FileWorking
		if f.Bytes > maxPDF {
			return f, "", refuse("the PDF has %d MB, more than %d", f.Bytes>>20, maxPDF>>20)
		}
		return f, workPDF, nil
	case "book":
		return f, "", lookBook(in, &f)
	case "captions":
		return f, "", lookCaptions(in, &f)
	case "media":
		return lookMedia(ctx, path, f)
	default:
		return f, "", refuse("%s cannot be shown: videos, sound, JPEG, PNG, GIF and WebP pictures, PDF documents, EPUB books and WebVTT captions can", kind)
	}
}

// sniff names what the first bytes are of.
func sniff(head []byte) string {
	has := func(at int, magic string) bool {
		return len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
	}
	text := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")))
	switch {
	case isEPUB(head):
		return "book"
	case has(0, "\x89PNG\r\n\x1a\n"), has(0, "\xff\xd8\xff"), has(0, "GIF8"), has(0, "RIFF") && has(8, "WEBP"):
		return "picture"
	case has(0, "%PDF-"):
		return "pdf"
	case strings.HasPrefix(text, "webvtt"):
		return "captions"
	case has(0, "PK\x03\x04"), has(0, "PK\x05\x06"):
		return "a ZIP archive (Office documents are such: save them as PDF)"
	case has(0, "\x1f\x8b"), has(0, "7z\xbc\xaf"), has(0, "Rar!"), has(0, "BZh"), has(0, "\xfd7zXZ"), has(0, "\x28\xb5\x2f\xfd"):
		return "a compressed archive"
	case has(0, "\x7fELF"), has(0, "MZ"), has(0, "#!"):
		return "a program"
	case strings.HasPrefix(text, "<!doctype"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<svg"), strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<script"):
		return "an SVG, HTML or XML document (it may hold programs)"
	case has(0, "#EXTM3U"), has(0, "ffconcat"), strings.HasPrefix(text, "[playlist]"):
		return "a playlist file"
	case has(0, "\xd0\xcf\x11\xe0"):
		return "an old Office document (save it as PDF)"
	}
	return "media" // ffprobe knows
}

func lookPicture(in *os.File, f *desk.File) error {
	if f.Bytes > maxPicture {
		return refuse("the picture's file has %d MB, more than %d", f.Bytes>>20, maxPicture>>20)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("look at a picture: %w", err)
	}
	config, kind, err := image.DecodeConfig(bufio.NewReader(in))
	if err != nil {
		return refuse("the picture is damaged: %v", err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height || max(config.Width, config.Height) > maxSide {
		return refuse("the picture is %d×%d: at most 64 megapixels and %d on a side can be shown", config.Width, config.Height, maxSide)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("look at a picture: %w", err)
	}

	if _, _, err := image.Decode(bufio.NewReader(in)); err != nil {
		return refuse("the picture is damaged: %v", err)
	}
	if err := nothingBehind(in, kind); err != nil {
		return err
	}
	f.Type, f.Width, f.Height = "image/"+kind, config.Width, config.Height
	return nil
}

// nothingBehind refuses a picture with something behind its end: such files
// are two things at once, and only one of them was looked at.
func nothingBehind(in *os.File, kind string) error {
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("look at a picture: %w", err)
	}
	end, err := pictureEnd(in, kind)
	if err != nil {
		return refuse("the picture is damaged: %v", err)
	}
	rest := make([]byte, min(info.Size()-end, 64<<10))
	if _, err := in.ReadAt(rest, end); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("look at a picture: %w", err)
	}
	if info.Size()-end > int64(len(rest)) || len(bytes.Trim(rest, "\x00")) > 0 { // zeros are some cameras' padding
		return refuse("something stands behind the picture's end: open it in a picture program and save it anew")
	}
	return nil
}

func lookCaptions(in *os.File, f *desk.File) error {
	if f.Bytes > maxCaptions {
		return refuse("the captions have more than 1 MiB")
	}
	raw := make([]byte, f.Bytes)
	if _, err := in.ReadAt(raw, 0); err != nil {
		return fmt.Errorf("look at captions: %w", err)
	}
	if !utf8.Valid(raw) {
		return refuse("the captions are not in UTF-8: save them so")
	}
	if !bytes.Contains(raw, []byte("-->")) {
		return refuse("the captions hold no line with a time")
	}
	f.Type = "text/vtt"
	return nil
}

// lookMedia asks ffprobe, and has a first second decoded: a file that is locked
// or broken inside tells no lies there.
func lookMedia(ctx context.Context, path string, f desk.File) (desk.File, string, error) {
	info, err := ffmpeg.Probe(ctx, path)
	if errors.Is(err, ffmpeg.ErrUnplayable) {
		return f, "", refuse("%v", err)
	}
	if err != nil { // not the file's fault: nothing is lost, it can be tried again
		return f, "", err
	}
	if info.Width == 0 && !info.Audio {
		return f, "", refuse("it holds neither picture nor sound")
	}
	if info.Duration <= 0 {
		return f, "", refuse("it does not say how long it lasts: save it anew as MP4")
	}
	if info.Duration > MaxLasts {
		return f, "", refuse("it says that it lasts %v, more than %v", info.Duration.Round(time.Second), MaxLasts)
	}
	if err := decodes(ctx, path); err != nil {
		return f, "", err
	}
	f.Width, f.Height, f.Lasts, f.State = info.Width, info.Height, playlist.Duration(info.Duration), desk.FileWorking
	if info.Width == 0 {
		f.Type = "audio/mp4"
		if ext := strings.ToLower(filepath.Ext(f.Name)); ext == ".mp3" {
			f.Type = "audio/mpeg"
		}
		return f, workVideo, nil
	}
	f.Type = "video/mp4"
	return f, workVideo, nil
}

func decodes(ctx context.Context, path string) error {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args := append([]string{"-nostdin", "-v", "error", "-xerror"}, ffmpeg.InputArgs(path)...)
	cmd := exec.CommandContext(limited, "ffmpeg", append(args, "-t", "1", "-f", "null", "-")...)
	var complaint bounded.Tail
	cmd.Stderr = &complaint
	if err := bounded.Start(cmd, 3<<30); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("look at a file: %w", ctx.Err())
		}
		if limited.Err() != nil {
			return refuse("its first second takes more than a minute to decode")
		}
		return refuse("it cannot be decoded: %s", bounded.Reason(&complaint, err))
	}
	return nil
}

// Hash returns the SHA-256 of a file, and its size in bytes.
func Hash(path string) (playlist.Hash, int64, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("hash a file: %w", err)
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(h, in)
	if err != nil {
		return "", 0, fmt.Errorf("hash a file: %w", err)
	}
	return playlist.Hash(hex.EncodeToString(h.Sum(nil))), n, nil
}

// looking bounds how many files are looked at.
var looking = make(chan struct{}, 1)

// workOn is the work that a file of this type needs.
func workOn(kind string) string {
	if kind == "application/pdf" {
		return workPDF
	}
	return workVideo
}

// TakeIn looks at a file, keeps it and queues the work on it.
func (w *Worker) TakeIn(ctx context.Context, by desk.Caller, owner playlist.ID, name, path string) (desk.File, error) {
	hash, _, err := Hash(path)
	if err != nil {
		return desk.File{}, err
	}
	if known, err := w.Desk.File(ctx, hash); err == nil {
		if known.State == desk.FileFailed { // the machine may have been at fault
			return w.Desk.WorkAgain(ctx, by, known, workOn(known.Type))
		}
		return known, w.Desk.Shares(ctx, by, owner, hash)
	}
	step.At("import hashed")
	// One at a time: a picture of 64 megapixels takes half a gigabyte to look at.
	select {
	case looking <- struct{}{}:
	case <-ctx.Done():
		return desk.File{}, ctx.Err()
	}
	f, work, err := Look(ctx, path, name)
	<-looking
	if err != nil {
		return f, err
	}
	f.SHA256 = hash
	in, err := os.Open(path)
	if err != nil {
		return f, fmt.Errorf("take in a file: %w", err)
	}
	defer in.Close()
	var job *desk.Job
	if work != "" {
		job = &desk.Job{Kind: work, Subject: playlist.ID(hash), Owner: owner}
	}
	step.At("import looked")
	if _, err := w.Desk.AddFile(ctx, by, owner, f, in, job); err != nil {
		return f, err
	}
	step.At("import kept")
	return f, nil
}
