package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cotmoc/hub/trust"
)

// maxNumber is the highest number that is believed: JSON holds it exactly.
const maxNumber = 1 << 53

// Numbers are the highest that lie in the folder, of each scope's editions and of each
// role's metadata, by their names; and the roots in order, from the first. What is damaged
// says nothing.
func (p Public) Numbers() (highest map[string]int64, roots [][]byte, err error) {
	highest = map[string]int64{}
	folders, err := os.ReadDir(p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return highest, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("published numbers: %w", err)
	}
	see := func(name, number string) {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 && n <= maxNumber {
			highest[name] = max(highest[name], n)
		}
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(filepath.Join(p.Dir, folder.Name()))
		if err != nil || folder.Name() == "files" || folder.Name() == "chunks" {
			continue // a file, or folders that are named by hashes
		}
		for _, e := range entries {
			number, role, named := strings.Cut(strings.TrimSuffix(e.Name(), ".json"), ".")
			switch {
			case folder.Name() != TrustDir && e.IsDir():
				see(folder.Name(), e.Name())
			case folder.Name() == TrustDir && named && role != trust.Root:
				see(role, number)
			}
		}
	}
	dir := filepath.Join(p.Dir, TrustDir)
	if raw, err := os.ReadFile(filepath.Join(dir, "timestamp.json")); err == nil {
		if said, err := trust.Read(raw); err == nil {
			see(trust.Timestamp, strconv.FormatInt(said.Version, 10))
		}
	}
	for {
		raw, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.%s.json", len(roots)+1, trust.Root)))
		if err != nil {
			return highest, roots, nil
		}
		roots = append(roots, raw)
	}
}
