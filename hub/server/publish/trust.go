package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cotmoc/internal/atomicfile"
	"cotmoc/internal/step"
)

// TrustDir is where signed metadata is published.
const TrustDir = "trust"

// keptTrust is how long metadata that nothing names any more stays, for whoever
// began to read before it was replaced.
const keptTrust = 48 * time.Hour

// WriteTrust publishes signed metadata and emergency documents: files by path first,
// the timestamp that leads to them last. It says whether anything changed.
func (p Public) WriteTrust(files map[string][]byte, timestamp []byte, now time.Time) (bool, error) {
	if timestamp == nil {
		return false, nil
	}
	for name, raw := range files {
		path := filepath.Join(p.Dir, filepath.FromSlash(name))
		if err := makeDir(filepath.Dir(path)); err != nil {
			return false, err
		}
		if err := put(path, raw); err != nil {
			return false, err
		}
	}
	step.At("publish metadata")
	path := filepath.Join(p.Dir, TrustDir, "timestamp.json")
	if have, err := os.ReadFile(path); err == nil && string(have) == string(timestamp) {
		return false, nil
	}
	if err := atomicfile.Write(path, timestamp, 0o644); err != nil {
		return false, err
	}
	step.At("publish timestamp")
	return true, p.pruneTrust(files, now)
}

func (p Public) pruneTrust(files map[string][]byte, now time.Time) error {
	entries, err := os.ReadDir(filepath.Join(p.Dir, TrustDir))
	if err != nil {
		return fmt.Errorf("old metadata: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || files[TrustDir+"/"+e.Name()] != nil || e.Name() == "timestamp.json" || strings.HasSuffix(e.Name(), ".root.json") || now.Sub(info.ModTime()) < keptTrust {
			continue
		}
		if err := os.Remove(filepath.Join(p.Dir, TrustDir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("old metadata: %w", err)
		}
	}
	return nil
}
