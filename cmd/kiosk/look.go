package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
	"cotmoc/playlist/media"
	"cotmoc/playlist/store"
)

func (c *cli) json(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// parseWithData reads the flags of a command that looks at a data folder.
func parseWithData(set *flag.FlagSet, args []string, operands int, dir *string) error {
	if err := parse(set, args, operands); err != nil {
		return err
	}
	return dataDir(*dir)
}

// runPIN reads the PIN as a line, so that no list of processes shows it.
func runPIN(_ context.Context, c *cli, args []string) error {
	set := c.flags("pin")
	dir := set.String("data", "", "folder of the kiosk's data")
	if err := parseWithData(set, args, 0, dir); err != nil {
		return err
	}
	fmt.Fprintln(c.err, "PIN, 6 to 12 digits:")
	line, err := bufio.NewReader(io.LimitReader(c.in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the PIN: %w", err)
	}
	if err := kiosk.SetPIN(*dir, strings.TrimSpace(line)); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "The PIN is set.")
	return nil
}

func runStatus(ctx context.Context, c *cli, args []string) error {
	set := c.flags("status")
	dir := set.String("data", "", "folder of the kiosk's data")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parseWithData(set, args, 0, dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	st, err := kiosk.AskStatus(ctx, *dir)
	if err != nil {
		return err
	}
	if *asJSON {
		return c.json(st)
	}
	fmt.Fprintf(c.out, "edition    %s\nenrolled   %v\n", st.Edition, st.Enrolled)
	fmt.Fprintf(c.out, "clock      %s, trusted %v: %s\n", st.Now.Format(time.RFC3339), st.Clock.Trusted, st.Clock.Why)
	if s := st.Sync; s != nil {
		state := "not heard"
		if s.Online {
			state = "online"
		}
		if s.Heard.IsZero() {
			fmt.Fprintf(c.out, "hub        %s: not heard since this machine started\n", s.Hub)
		} else {
			fmt.Fprintf(c.out, "hub        %s: %s, heard %d seconds ago\n", s.Hub, state, s.Age)
		}
	}
	fmt.Fprintf(c.out, "files      %d, %d MB, %d damaged\n", st.Inventory.Files, st.Inventory.Bytes>>20, len(st.Inventory.Damaged))
	fmt.Fprintf(c.out, "proof      %d rows", st.Plays)
	if st.Sync != nil {
		fmt.Fprintf(c.out, ", %d wait for the hub", st.Sync.Outbox)
	}
	fmt.Fprintln(c.out)
	for _, ch := range st.Children {
		fmt.Fprintf(c.out, "child      %s, process %d, %d restarts\n", ch.Name, ch.PID, ch.Restarts)
	}
	for _, d := range st.Displays {
		fmt.Fprintf(c.out, "display    %s at %s, connected %v, %d frames\n", d.ID, d.Place, d.Connected, d.Frames)
		for _, p := range d.Plan {
			fmt.Fprintf(c.out, "  %-8s %s (playlist %s)\n", p.Layer, p.Winner, orNone(p.Playlist))
		}
		for _, s := range d.Showing {
			fmt.Fprintf(c.out, "  shows    %s: %s in %s since %s\n", s.Zone, s.Item, s.Language, s.Start.Format("15:04:05"))
		}
	}
	for _, p := range st.Problems {
		fmt.Fprintf(c.out, "problem    %s\n", p)
	}
	for _, f := range st.Faults {
		fmt.Fprintf(c.out, "fault      %s %s: %s\n", f.At.Format("15:04:05"), f.From, f.Text)
	}
	return nil
}

// verifyReport is what `kiosk verify` prints.
type verifyReport struct {
	Files        int                    `json:"files"`
	Missing      []playlist.Hash        `json:"missing,omitempty"`
	Damaged      []playlist.Hash        `json:"damaged,omitempty"`
	Unreferenced []playlist.Hash        `json:"unreferenced,omitempty"`
	Undrawable   map[playlist.ID]string `json:"undrawable,omitempty"` // characters that no font draws, by version
}

func runVerify(ctx context.Context, c *cli, args []string) error {
	set := c.flags("verify")
	dir := set.String("data", "", "folder of the kiosk's data")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parseWithData(set, args, 0, dir); err != nil {
		return err
	}
	files := media.OpenReadOnly(filepath.Join(*dir, "media"))
	r, err := inspect(ctx, c, *dir, files)
	if err != nil {
		return err
	}
	if *asJSON {
		err = c.json(r)
	} else {
		r.print(c)
	}
	if len(r.Missing)+len(r.Damaged) > 0 {
		err = errors.Join(err, fmt.Errorf("%d files are missing, %d damaged", len(r.Missing), len(r.Damaged)))
	}
	return err
}

// inspect hashes every file and compares with what the edition names.
func inspect(ctx context.Context, c *cli, dir string, files *media.Store) (r verifyReport, err error) {
	composer, edition, err := kiosk.Reader(ctx, dir)
	if err != nil {
		return r, err
	}
	defer edition.Close()
	all, err := edition.Media(ctx)
	if err != nil {
		return r, err
	}
	named := map[playlist.Hash]bool{}
	for _, m := range all {
		named[m.SHA256] = true
		if !files.Has(m.SHA256) {
			r.Missing = append(r.Missing, m.SHA256)
		}
	}
	for _, h := range files.All() {
		if !named[h] {
			r.Unreferenced = append(r.Unreferenced, h)
		}
	}
	r.Files = len(files.All())
	r.Damaged = files.VerifyAll(func(done, all int) {
		if done%50 == 0 || done == all {
			fmt.Fprintf(c.err, "\rhashed %d of %d files", done, all)
		}
	})
	fmt.Fprintln(c.err)
	r.Undrawable = map[playlist.ID]string{}
	e := typeset.New()
	for _, versions := range composer.Catalogue.Versions {
		for _, v := range versions {
			if missing := kiosk.Undrawable(e, v); missing != "" {
				r.Undrawable[v.ID] = missing
			}
		}
	}
	return r, nil
}

func (r verifyReport) print(c *cli) {
	fmt.Fprintf(c.out, "%d files: %d missing, %d damaged, %d unreferenced\n", r.Files, len(r.Missing), len(r.Damaged), len(r.Unreferenced))
	for what, list := range map[string][]playlist.Hash{"missing": r.Missing, "damaged": r.Damaged, "unreferenced": r.Unreferenced} {
		for _, h := range list {
			fmt.Fprintf(c.out, "%s %s\n", what, h)
		}
	}
	for id, chars := range r.Undrawable {
		fmt.Fprintf(c.out, "no font draws %q of version %s\n", chars, id)
	}
}

func runSearch(ctx context.Context, c *cli, args []string) error {
	set := c.flags("search")
	dir := set.String("data", "", "folder of the kiosk's data")
	lang := set.String("lang", "", "only versions in this language")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parseWithData(set, args, 1, dir); err != nil {
		return err
	}
	_, edition, err := kiosk.Reader(ctx, *dir)
	if err != nil {
		return err
	}
	id := edition.ID
	if err := edition.Close(); err != nil {
		return err
	}
	hits, err := store.Search(ctx, *dir, id, set.Arg(0), playlist.Language(*lang), 20)
	if err != nil {
		return err
	}
	if *asJSON {
		return c.json(hits)
	}
	for _, h := range hits {
		fmt.Fprintf(c.out, "%s  [%s]  %s\n", h.Version, h.Language, h.Title)
	}
	return nil
}

// typesetReport is what `kiosk typeset --json` prints.
type typesetReport struct {
	Lines   []string `json:"lines"`
	Missing []string `json:"missing"`
	Height  int      `json:"height"`
	Fonts   []string `json:"fonts"`
}

func runTypeset(_ context.Context, c *cli, args []string) error {
	set := c.flags("typeset")
	lang := set.String("lang", "vi", "language tag")
	size := set.Float64("size", 32, "em in pixels")
	width := set.Int("width", 800, "measure in pixels")
	pngFile := set.String("png", "", "file for a picture of the text")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parse(set, args, 1); err != nil {
		return err
	}
	if *size < 4 || *size > 500 || *width < 8 || *width > playlist.MaxPixels {
		return usageError{"--size must lie between 4 and 500, --width between 8 and 16384"}
	}
	raw, err := readText(set.Arg(0))
	if err != nil {
		return err
	}
	b := typeset.New().Layout(strings.TrimSuffix(string(raw), "\n"), typeset.Style{Lang: *lang, Size: *size, Width: *width})
	if b.Cut {
		return errors.New("the text is longer than 200,000 characters")
	}
	r := typesetReport{Height: b.Height, Fonts: append([]string{}, b.Fonts...), Missing: []string{}, Lines: []string{}}
	for _, l := range b.Lines {
		r.Lines = append(r.Lines, l.Text)
	}
	for _, m := range b.Missing {
		r.Missing = append(r.Missing, fmt.Sprintf("U+%04X", m))
	}
	if *pngFile != "" {
		if err := writePicture(*pngFile, b, *width); err != nil {
			return err
		}
	}
	if *asJSON {
		return c.json(r)
	}
	for _, l := range r.Lines {
		fmt.Fprintln(c.out, l)
	}
	if len(r.Missing) > 0 {
		fmt.Fprintln(c.err, "no font draws", r.Missing)
	}
	return nil
}

// readText reads a text file of at most playlist.MaxTextLen bytes.
func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("text file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, playlist.MaxTextLen+1))
	if err != nil {
		return nil, fmt.Errorf("text file: %w", err)
	}
	if len(raw) > playlist.MaxTextLen {
		return nil, fmt.Errorf("text file: it has more than %d bytes", playlist.MaxTextLen)
	}
	return raw, nil
}

func writePicture(path string, b *typeset.Block, width int) error {
	const margin = 16
	if b.Height > 32000 || width*b.Height > 100<<20 {
		return fmt.Errorf("the text is %d pixels tall, too much for a picture", b.Height)
	}
	img := image.NewRGBA(image.Rect(0, 0, width+2*margin, b.Height+2*margin))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	b.Draw(img, margin, margin, color.Black)
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return errors.Join(png.Encode(f, img), f.Close())
}
