package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Signed metadata is text that packs well, and every kiosk fetches it. It is packed
// once for all of them; any other server may send it as it is.

// packFrom is the size from which it pays, in bytes.
const packFrom = 600

// maxPacked is how many packed files are remembered.
const maxPacked = 512

type packed struct {
	raw  []byte
	size int64
	at   time.Time
}

// packing answers requests for JSON with packed bytes where the other side takes
// them.
type packing struct {
	files fs.FS
	next  http.Handler

	mu   sync.Mutex
	kept map[string]packed
}

// ServeHTTP implements http.Handler.
func (p *packing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if strings.HasSuffix(name, ".json") && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		if raw := p.get(name); raw != nil {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Vary", "Accept-Encoding")
			_, _ = w.Write(raw) // whoever asked may have gone
			return
		}
	}
	p.next.ServeHTTP(w, r)
}

// get returns the packed bytes of a file; nil where it does not pay.
func (p *packing) get(name string) []byte {
	f, err := p.files.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < packFrom {
		return nil
	}
	p.mu.Lock()
	k, ok := p.kept[name]
	p.mu.Unlock()
	if ok && k.size == info.Size() && k.at.Equal(info.ModTime()) {
		return k.raw
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := io.Copy(z, f); err != nil || z.Close() != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= maxPacked {
		clear(p.kept)
	}
	p.kept[name] = packed{out.Bytes(), info.Size(), info.ModTime()}
	return out.Bytes()
}
