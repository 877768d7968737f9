package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func hub(t *testing.T, stdin string, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code, err := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	said = stderr.String()
	if err != nil {
		said += err.Error()
	}
	return code, stdout.String(), said
}

func TestPrepare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "th.txt")
	if err := os.WriteFile(path, []byte("มนุษย์ทั้งหลายเกิดมา\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, said := hub(t, "", "prepare", "--lang", "th", path)
	if code != 0 || strings.ReplaceAll(out, "\u200B", "") != "มนุษย์ทั้งหลายเกิดมา\n" || strings.Count(out, "\u200B") < 3 {
		t.Errorf("%d, %q, %s", code, out, said)
	}
	code, out, _ = hub(t, "ມະນຸດເກີດມາ", "prepare", "--lang", "lo", "--json", "-")
	var answer struct {
		Display, ICU string
		Added        int
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 0 || answer.Added < 1 || !strings.HasPrefix(answer.ICU, "ICU ") {
		t.Errorf("%d, %q, %v", code, out, err)
	}
}

func TestWrongUse(t *testing.T) {
	for _, c := range []struct {
		code  int
		stdin string
		args  []string
	}{
		{2, "", nil}, {2, "", []string{"nonsense"}}, {2, "", []string{"prepare"}}, {2, "", []string{"prepare", "--lang", "lo"}}, {2, "", []string{"prepare", "-"}},
		{2, "", []string{"prepare", "--lang", "not a tag", "-"}}, {2, "", []string{"prepare", "--colour", "red", "-"}},
		{1, "", []string{"prepare", "--lang", "lo", "/nowhere/at/all"}}, {1, "", []string{"prepare", "--lang", "lo", "/"}},
		{1, "\xff\xfe", []string{"prepare", "--lang", "lo", "-"}}, {1, strings.Repeat("ก", 1<<20), []string{"prepare", "--lang", "th", "-"}},
	} {
		if code, out, said := hub(t, c.stdin, c.args...); code != c.code || said == "" || out != "" {
			t.Errorf("%v: code %d, printed %q, said %q", c.args, code, out, said)
		}
	}
	if code, _, said := hub(t, "", "--help"); code != 0 || !strings.Contains(said, "prepare") {
		t.Errorf("help: %d, %q", code, said)
	}
}
