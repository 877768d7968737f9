// Shots takes pictures of the real stage in each language of the sample's
// place: the programme of its first display, narrowed to one language.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/playlist"
	"cotmoc/playlist/content"
)

func main() {
	folder := flag.String("content", "", "content folder")
	out := flag.String("out", "", "folder for the pictures")
	stage := flag.String("stage", "bin/stage", "the stage program")
	flag.Parse()
	if err := run(*folder, *out, *stage); err != nil {
		fmt.Fprintln(os.Stderr, "shots:", err)
		os.Exit(1)
	}
}

// folderFiles is the content folder as an inventory.
type folderFiles struct{ paths map[playlist.Hash]string }

func (f folderFiles) Has(h playlist.Hash) bool    { return f.paths[h] != "" }
func (f folderFiles) Path(h playlist.Hash) string { return f.paths[h] }

func run(folder, out, stage string) error {
	f, err := content.Read(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	cat, err := playlist.NewCatalogue(f.Rows)
	if err != nil {
		return err
	}
	files := folderFiles{map[playlist.Hash]string{}}
	for _, m := range f.Rows.Media {
		path, err := filepath.Abs(filepath.Join(folder, m.Path))
		if err != nil {
			return err
		}
		files.paths[m.SHA256] = path
	}
	composer := &kiosk.Composer{Catalogue: cat, Edition: f.ID, Files: files}
	display := cat.Displays[cat.DisplayOrder[0]]
	zone := cat.ZoneOf(display.Place)
	noon := time.Date(2027, 3, 1, 9, 0, 0, 0, zone)
	p, _ := composer.Compose(display, kiosk.Moment{At: noon, Trusted: true}, kiosk.Kept{})
	for _, lang := range cat.LanguagesOf(display.Place) {
		if err := shoot(*p, lang, out, stage); err != nil {
			return err
		}
	}
	return nil
}

// shoot renders the programme narrowed to one language and keeps a picture.
func shoot(p playlist.Programme, lang playlist.Language, out, stage string) error {
	p.Place.Languages = []playlist.Language{lang}
	p.ValidUntil, p.Mandatory = nil, nil
	zones := p.Zones
	p.Zones = nil
	for _, z := range zones {
		z.Entries = inLanguage(z, lang)
		p.Zones = append(p.Zones, z)
	}
	dir, err := os.MkdirTemp("", "shots")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	doc := filepath.Join(dir, "programme.json")
	if err := os.WriteFile(doc, raw, 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, stage, "--programme", doc, "--for", "4s", "--shots", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return copyFile(filepath.Join(dir, "stage-001.png"), filepath.Join(out, "stage-"+string(lang)+".png"))
}

// inLanguage keeps what the zone has in one language: a bulletin on main, the
// texts of the ticker; what only other languages have stays as it falls back.
func inLanguage(z playlist.ProgrammeZone, lang playlist.Language) []playlist.ProgrammeEntry {
	var has, others []playlist.ProgrammeEntry
	for _, e := range z.Entries {
		if e.Kind != playlist.Bulletin {
			continue
		}
		e.Duration = playlist.Duration(30 * time.Second)
		i := slices.IndexFunc(e.Versions, func(v playlist.ProgrammeVersion) bool { return v.Language == lang })
		if i < 0 {
			others = append(others, e)
			continue
		}
		e.Versions = e.Versions[i : i+1]
		has = append(has, e)
	}
	if len(has) > 0 {
		return has
	}
	return others
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("the stage left no picture: %w", err)
	}
	return os.WriteFile(to, raw, 0o644)
}
