package pages

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every word that a page or the code asks for is there in both languages, and
// none is there for nothing.
func TestWords(t *testing.T) {
	asked := map[string]bool{}
	prefixes := []string{}
	look := func(text string, patterns ...string) {
		for _, p := range patterns {
			for _, m := range regexp.MustCompile(p).FindAllStringSubmatch(text, -1) {
				if key, ok := strings.CutSuffix(m[1], "%s"); ok {
					prefixes = append(prefixes, key)
				} else if strings.HasSuffix(m[1], "-") {
					prefixes = append(prefixes, m[1])
				} else {
					asked[m[1]] = true
				}
			}
		}
	}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := files.ReadFile(path)
		look(string(raw), `T "([^"]+)"`, `print[f]? "([^"]+)"`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources(t) {
		look(source, `\.T\("([^"]+)"`, `words\["([^"]+)"`)
		for _, m := range regexp.MustCompile(`\.add\(v, "([^"]+)"`).FindAllStringSubmatch(source, -1) {
			asked["row-"+m[1]] = true
		}
		for _, m := range regexp.MustCompile(`done := "([^"]+)"|done = "([^"]+)"|done=(rejected|enrolled)`).FindAllStringSubmatch(source, -1) {
			asked["done-"+m[1]+m[2]+m[3]] = true
		}
	}
	for key := range asked {
		if w := words[key]; w[0] == "" || w[1] == "" {
			t.Errorf("a page asks for the word %q, which is not there", key)
		}
	}
	for key := range words {
		used := asked[key]
		for _, p := range prefixes {
			used = used || strings.HasPrefix(key, p)
		}
		if !used {
			t.Errorf("nobody asks for the word %q", key)
		}
	}
	if len(asked) < 40 || len(prefixes) < 5 {
		t.Errorf("only %d words and %d families were found", len(asked), len(prefixes))
	}
}

func sources(t *testing.T) (out []string) {
	t.Helper()
	for _, name := range []string{"pages.go", "review.go", "displays.go", "kiosks.go", "visits.go", "messages.go"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(raw))
	}
	return out
}
