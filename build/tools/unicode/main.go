// Unicode lists where the ICU that is linked here breaks lines and clusters
// otherwise than the tests of the version of Unicode that the kiosk's segmenter
// states. It prints docs/unicode.md.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cotmoc/hub/prepare"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "unicode:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-text/typesetting").Output()
	if err != nil {
		return fmt.Errorf("find the segmenter's tests: %w", err)
	}
	fmt.Fprintf(out, `# Where %s differs from Unicode 17

Made by `+"`go run ./build/tools/unicode > docs/unicode.md`"+`. The kiosk's segmenter (go-text/typesetting) passes
every case of LineBreakTest.txt and GraphemeBreakTest.txt of Unicode 17.0.0, the version that it states
(internal/typeset/unicode_test.go). The hub's ICU knows Unicode %s. These are the cases that it breaks otherwise: ÷ is a
break, × is none. On the Universal Declaration in ten languages of the border the two differ in two places, both inside
a Khmer conjunct, where the hub does not follow ICU (docs/decisions/0008).

`, prepare.Version(), prepare.UnicodeVersion())
	for _, t := range []struct {
		title, file string
		find        func(string, []rune) ([]int, error)
	}{{"Lines", "LineBreakTest.txt", prepare.LineBreaks}, {"Grapheme clusters", "GraphemeBreakTest.txt", prepare.Graphemes}} {
		if err := compare(out, t.title, filepath.Join(strings.TrimSpace(string(dir)), "segmenter", "test", t.file), t.find); err != nil {
			return err
		}
	}
	return nil
}

func compare(out io.Writer, title, path string, find func(string, []rune) ([]int, error)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	all := 0
	var differ []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		all++
		var runes []rune
		var want []int
		for _, field := range strings.Fields(text) {
			switch field {
			case "÷":
				if len(runes) > 0 {
					want = append(want, len(runes))
				}
			case "×":
			default:
				r, err := strconv.ParseUint(field, 16, 32)
				if err != nil {
					return err
				}
				runes = append(runes, rune(r))
			}
		}
		got, err := find("en", runes)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			differ = append(differ, show(runes, want)+" | "+show(runes, got))
		}
	}
	fmt.Fprintf(out, "## %s: %d of %d cases\n\n| Unicode 17 | %s |\n|---|---|\n", title, len(differ), all, prepare.Version())
	for _, d := range differ {
		fmt.Fprintf(out, "| %s |\n", d)
	}
	fmt.Fprintln(out)
	return nil
}

func show(runes []rune, ends []int) string {
	var s strings.Builder
	for i, r := range runes {
		if i > 0 && slices.Contains(ends, i) {
			s.WriteString(" ÷ ")
		} else if i > 0 {
			s.WriteString(" × ")
		}
		fmt.Fprintf(&s, "%04X", r)
	}
	return s.String()
}
