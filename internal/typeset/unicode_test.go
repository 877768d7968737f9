package typeset

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-text/typesetting/segmenter"
)

// breakTest is one line of LineBreakTest.txt or GraphemeBreakTest.txt.
type breakTest struct {
	line  string
	text  []rune
	where []int // where a break is, in runes
}

// unicodeTests reads a test file of the version of Unicode that the segmenter
// states. The segmenter's module carries it.
func unicodeTests(t *testing.T, name, version string) []breakTest {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-text/typesetting").Output()
	if err != nil {
		t.Fatalf("find the segmenter's tests: %v", err)
	}
	f, err := os.Open(filepath.Join(strings.TrimSpace(string(out)), "segmenter", "test", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tests []breakTest
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			if strings.Contains(lines.Text(), "BreakTest-") && !strings.Contains(lines.Text(), version) {
				t.Fatalf("%s is of another version than %s: %s", name, version, lines.Text())
			}
			continue
		}
		test := breakTest{line: lines.Text()}
		for _, field := range strings.Fields(text) {
			switch field {
			case "÷":
				if len(test.text) > 0 {
					test.where = append(test.where, len(test.text))
				}
			case "×":
			default:
				r, err := strconv.ParseUint(field, 16, 32)
				if err != nil {
					t.Fatalf("%s: %v", lines.Text(), err)
				}
				test.text = append(test.text, rune(r))
			}
		}
		tests = append(tests, test)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return tests
}

func TestLineBreaksAreUnicodes(t *testing.T) {
	tests := unicodeTests(t, "LineBreakTest.txt", "17.0.0")
	for _, c := range tests {
		var s segmenter.Segmenter
		s.Init(c.text)
		var got []int
		for it := s.LineIterator(); it.Next(); {
			l := it.Line()
			got = append(got, l.Offset+len(l.Text))
		}
		if !slices.Equal(got, c.where) {
			t.Errorf("%s\ngot %v", c.line, got)
		}
	}
	if len(tests) < 15_000 {
		t.Errorf("only %d cases", len(tests))
	}
}

func TestGraphemesAreUnicodes(t *testing.T) {
	tests := unicodeTests(t, "GraphemeBreakTest.txt", "17.0.0")
	for _, c := range tests {
		if got := clusterEnds(c.text); !slices.Equal(got, c.where) {
			t.Errorf("%s\ngot %v", c.line, got)
		}
	}
	if len(tests) < 700 {
		t.Errorf("only %d cases", len(tests))
	}
}
