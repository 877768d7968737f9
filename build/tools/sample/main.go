// Sample builds the sample content folder: real gates, real texts in six
// languages, photographs, real and generated clips, two layouts and a day's
// schedule for a gate facing each neighbour. Everything that is made up is
// marked as a sample.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cotmoc/hub/prepare"
	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sample ASSETS OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func run(assets, out string) error {
	b := &builder{assets: assets, out: out, rows: playlist.Rows{Format: playlist.Format, Name: "sample"}}
	if err := os.MkdirAll(filepath.Join(out, "media"), 0o755); err != nil {
		return err
	}
	for _, step := range []func() error{b.places, b.texts, b.media, b.programme, b.prepare} {
		if err := step(); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(b.rows, "", " ")
	if err != nil {
		return err
	}
	if _, err := playlist.NewCatalogue(b.rows); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(out, "content.json"), append(raw, '\n'), 0o644)
}

// prepare marks the line breaks of every text, as the hub does when a text is
// submitted.
func (b *builder) prepare() error {
	marked := func(l playlist.Language, text string) (string, error) {
		c, err := prepare.Display(l, text)
		return c.Display, err
	}
	for i := range b.rows.Versions {
		v := &b.rows.Versions[i]
		c, err := prepare.Display(v.Language, v.Text)
		if err != nil {
			return err
		}
		if c.Added > 0 {
			v.Display, v.DisplayBy = c.Display, c.ICU
		}
		if v.Title, err = marked(v.Language, v.Title); err != nil {
			return err
		}
	}
	for i := range b.rows.Places {
		for l, name := range b.rows.Places[i].Names {
			text, err := marked(l, name)
			if err != nil {
				return err
			}
			b.rows.Places[i].Names[l] = text
		}
	}
	for i := range b.rows.Facts {
		for l, value := range b.rows.Facts[i].Value {
			text, err := marked(l, value)
			if err != nil {
				return err
			}
			b.rows.Facts[i].Value[l] = text
		}
	}
	return nil
}

type builder struct {
	assets, out string
	rows        playlist.Rows
}

// forensics is where Debian's forensics-samples-files (CC-BY-SA-4.0) puts its files.
const forensics = "/usr/share/forensics-samples/original-files"

const (
	photoSource = "Debian forensics-samples-files, CC-BY-SA-4.0"
	madeSource  = "Cột Mốc"
)

// add takes a file into the folder under its hash and returns the hash.
func (b *builder) add(path, mime string) (playlist.Hash, error) {
	src, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("a file of the sample (is forensics-samples-files installed?): %w", err)
	}
	defer src.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, src)
	if err != nil {
		return "", err
	}
	hash := playlist.Hash(hex.EncodeToString(sum.Sum(nil)))
	name := filepath.Join("media", string(hash[:16])+filepath.Ext(path))
	if _, err := os.Stat(filepath.Join(b.out, name)); errors.Is(err, os.ErrNotExist) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if err := atomicfile.Write(filepath.Join(b.out, name), raw, 0o644); err != nil {
			return "", err
		}
	}
	for _, m := range b.rows.Media {
		if m.SHA256 == hash {
			return hash, nil
		}
	}
	b.rows.Media = append(b.rows.Media, playlist.Media{SHA256: hash, Path: name, Type: mime, Bytes: size})
	return hash, nil
}

// generate makes a file with ffmpeg, once.
func (b *builder) generate(name, mime string, args ...string) (playlist.Hash, error) {
	path := filepath.Join(b.out, "made", name)
	if _, err := os.Stat(path); err != nil {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		part := path + ".part" + filepath.Ext(name)
		args = append([]string{"-nostdin", "-v", "error", "-y"}, append(args, "-fflags", "+bitexact", part)...)
		if text, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("make %s: %w: %s", name, err, strings.TrimSpace(string(text)))
		}
		if err := atomicfile.Rename(part, path); err != nil {
			return "", err
		}
	}
	return b.add(path, mime)
}
