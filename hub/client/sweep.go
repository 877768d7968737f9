package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// keptParts is how long a file that nobody wants any more keeps what came of it.
const keptParts = 7 * 24 * time.Hour

// sweep removes what years of editions leave behind: chunk tables of files that went
// away, halves of files that nobody wants, metadata that was overtaken.
func (c *Client) sweep(w local.Want, state trust.State) error {
	wanted := map[string]bool{}
	for _, f := range w.Files {
		wanted[string(f.SHA256)] = true
	}
	here := func(h string) bool {
		_, err := os.Stat(filepath.Join(c.Dir, "media", h[:2], h))
		return err == nil || wanted[h]
	}
	var errs []error
	tables, _ := filepath.Glob(c.public("chunks/??/*"))
	for _, path := range tables {
		if h := filepath.Base(path); playlist.Hash(h).Check("") == nil && !here(h) && old(path) {
			errs = append(errs, gone(path))
		}
	}
	parts, _ := filepath.Glob(filepath.Join(c.Dir, local.PartDir, "*"))
	for _, path := range parts {
		if h, _, _ := strings.Cut(filepath.Base(path), "."); !wanted[h] && old(path) {
			errs = append(errs, gone(path))
		}
	}
	return errors.Join(append(errs, c.sweepTrust(state))...)
}

// sweepTrust keeps the roots, and of each role what the state holds.
func (c *Client) sweepTrust(state trust.State) error {
	keep := map[string]bool{"timestamp.json": true}
	for role, raw := range state.Roles {
		if said, err := trust.Read(raw); err == nil {
			keep[fmt.Sprintf("%d.%s.json", said.Version, role)] = true
		}
	}
	if said, err := trust.Read(state.Snapshot); err == nil {
		keep[fmt.Sprintf("%d.snapshot.json", said.Version)] = true
	}
	found, _ := filepath.Glob(c.public("trust/*.json"))
	var errs []error
	for _, path := range found {
		if name := filepath.Base(path); !keep[name] && !strings.HasSuffix(name, ".root.json") && old(path) {
			errs = append(errs, gone(path))
		}
	}
	return errors.Join(errs...)
}

// old says whether a file has lain for long. A clock that is wrong keeps it.
func old(path string) bool {
	info, err := os.Stat(path)
	return err == nil && time.Since(info.ModTime()) > keptParts
}

func gone(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}
