package speech

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/player/decode"
	"cotmoc/playlist"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		" a\u200Bb\u2060c\u00ADd\x00 ": "abcd",
		"Mở cửa · 7:00":                "Mở cửa , 7:00",
		"một\xffhai":                   "mộthai",
		"a\n\nb":                       "a\n\nb",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	long := plain(strings.Repeat("chữ ", MaxText))
	if len(long) > MaxText || !strings.HasSuffix(long, "chữ") {
		t.Errorf("%d bytes, ending in %q", len(long), long[len(long)-8:])
	}
	if got := plain(strings.Repeat("x", 2*MaxText)); got != "" {
		t.Errorf("%d bytes without a word's end", len(got))
	}
}

// Two sentences take longer than one, in each voice; a hostile text is only read.
func TestWrite(t *testing.T) {
	if !Has("vi") || Has("lo") || Has("") {
		t.Fatal("vi has a voice here, lo has none")
	}
	dir := t.TempDir()
	length := func(l, text string) time.Duration {
		t.Helper()
		path := filepath.Join(dir, "a.wav")
		if err := Write(t.Context(), playlist.Language(l), text, path); err != nil {
			t.Fatalf("%s %q: %v", l, text, err)
		}
		long, err := decode.Length(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return long
	}
	one, two := length("vi", "Cửa khẩu mở cửa lúc bảy giờ."), length("vi", "Cửa khẩu mở cửa lúc bảy giờ.\n\nCửa khẩu đóng cửa lúc mười bảy giờ.")
	if one < time.Second || one > 10*time.Second || two < one*3/2 {
		t.Errorf("%v and %v", one, two)
	}
	for _, hostile := range []string{"--help", "<speak><audio src='/etc/passwd'/></speak>", "[[a]] $(id) `id`"} {
		length("vi", hostile)
	}
	if err := Write(t.Context(), "lo", "ສະບາຍດີ", filepath.Join(dir, "b.wav")); err == nil {
		t.Error("a language without a voice was read")
	}
	if err := Write(t.Context(), "vi", "\u200B", filepath.Join(dir, "b.wav")); err == nil {
		t.Error("nothing was read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, "vi", "một", filepath.Join(dir, "c.wav")); err == nil {
		t.Error("it was read after all")
	}
	if err := Write(t.Context(), "vi", "một", filepath.Join(dir, "no", "c.wav")); err == nil {
		t.Error("a file that could not be written was no error")
	}
}
