package keys

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func typed(s, lang string) (out string) {
	for _, r := range s {
		out = Typed(out, string(r), lang)
	}
	return out
}

func TestTelex(t *testing.T) {
	for in, want := range map[string]string{
		"hair quan": "hải quan", "dduwowngf": "đường", "vieetj nam": "việt nam", "nguoiwf": "người", "quoocs": "quốc", "hoaf": "hòa", "hoanf": "hoàn",
		"gias": "giá", "gif": "gì", "thuys": "thúy", "khuyeens": "khuyến", "tieengs": "tiếng", "ass": "as", "aaa": "aa", "ddoongf baof": "đồng bào",
		"hir": "hỉ", "nghieengz": "nghiêng", "nghieengsz": "nghiêng", "cuar": "của", "muaf": "mùa", "chuyeenj": "chuyện", "b": "b", "12s": "12s", "ruowuj": "rượu",
	} {
		if got := typed(in, "vi"); got != norm.NFC.String(want) {
			t.Errorf("%q typed is %q, not %q", in, got, want)
		}
	}
}

// Keys with marks do the same, and a second stroke takes a tone away.
func TestDirectMarks(t *testing.T) {
	for in, want := range map[string]string{"hai\u0309": "hải", "đươ\u0300ng": "đường", "a\u0301\u0301": "a", "\u0301": "", "x\u0301": "x"} {
		if got := typed(in, "vi"); got != norm.NFC.String(want) {
			t.Errorf("%q typed is %q, not %q", in, got, want)
		}
	}
	if got := typed("aas", "en"); got != "aas" {
		t.Errorf("Latin letters became %q", got)
	}
}

// Every letter of the languages' own texts can be typed.
func TestLayoutsHaveTheirLetters(t *testing.T) {
	all := map[string]string{"vi": "ăâđêôơưabcdeghiklmnopqrstuvxy0123456789", "en": "abcdefghijklmnopqrstuvwxyz0123456789",
		"lo": "ກຂຄງຈສຊຍດຕຖທນບປຜຝພຟມຢຣລວຫອຮະັາິີຶືຸູົຼຽເແໂໃໄໆ່້໊໋໌ໍໜໝ໐໑໒໓໔໕໖໗໘໙",
		"km": "កខគឃងចឆជឈញដឋឌឍណតថទធនបផពភមយរលវសហឡអាិីឹឺុូួើឿៀេែៃោៅំះ់៉៊្០១២៣៤៥៦៧៨៩",
		"th": "กขฃคฅฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮะัาำิีึืุูเแโใไๆ็่้๊๋์"}
	for _, l := range Layouts {
		keys := strings.Join(strings.Fields(strings.Join(append(append([]string{}, l.Levels[0]...), l.Levels[len(l.Levels)-1]...), " ")), "")
		for _, r := range all[l.Lang] {
			if !strings.ContainsRune(keys, r) {
				t.Errorf("%s: %c (U+%04X) cannot be typed", l.Lang, r, r)
			}
		}
		for _, level := range l.Levels {
			for _, row := range level {
				if n := len(strings.Fields(row)); n > 13 {
					t.Errorf("%s: a row has %d keys", l.Lang, n)
				}
				if !utf8.ValidString(row) {
					t.Errorf("%s: %q", l.Lang, row)
				}
			}
		}
	}
}

func FuzzTelex(f *testing.F) {
	f.Add("dduwowngf")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 60 {
			return
		}
		if out := typed(s, "vi"); utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Errorf("%q became %q", s, out)
		}
	})
}
