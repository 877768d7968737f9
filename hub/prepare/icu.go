package prepare

/*
#cgo pkg-config: icu-uc
#include <stdlib.h>
#include <unicode/ubrk.h>
#include <unicode/uversion.h>
#include <unicode/uclean.h>

// The names of ICU's functions carry its version, which Go cannot see.
static UBreakIterator *breaks_open(UBreakIteratorType type, const char *locale, const UChar *text, int32_t length, UErrorCode *status) {
	return ubrk_open(type, locale, text, length, status);
}
static int32_t breaks_next(UBreakIterator *it) { return ubrk_next(it); }
static void breaks_close(UBreakIterator *it) { ubrk_close(it); }
static const char *error_name(UErrorCode status) { return u_errorName(status); }
static void version(UVersionInfo v) { u_getVersion(v); }
static void unicode_version(UVersionInfo v) { u_getUnicodeVersion(v); }
static int failed(UErrorCode status) { return U_FAILURE(status); }
*/
import "C"

import (
	"fmt"
	"unicode/utf16"
	"unsafe"
)

// Version is the ICU that this program is linked with, such as "ICU 72.1".
func Version() string {
	var v C.UVersionInfo
	C.version(&v[0])
	return fmt.Sprintf("ICU %d.%d", v[0], v[1])
}

// UnicodeVersion is the version of Unicode that this ICU knows, such as "15.0".
func UnicodeVersion() string {
	var v C.UVersionInfo
	C.unicode_version(&v[0])
	return fmt.Sprintf("%d.%d", v[0], v[1])
}

// LineBreaks returns where ICU allows a line of text to end, as offsets in
// runes, the end of the text among them. lang is a BCP 47 tag.
func LineBreaks(lang string, text []rune) ([]int, error) { return breaks(C.UBRK_LINE, lang, text) }

// Graphemes returns where ICU ends the grapheme clusters of text, in runes.
func Graphemes(lang string, text []rune) ([]int, error) { return breaks(C.UBRK_CHARACTER, lang, text) }

func breaks(kind C.UBreakIteratorType, lang string, text []rune) ([]int, error) {
	if len(text) == 0 {
		return nil, nil
	}
	units := utf16.Encode(text)
	locale := C.CString(lang)
	defer C.free(unsafe.Pointer(locale))
	// ICU keeps the text's address while it iterates, so it must not be Go's.
	size := C.size_t(len(units)) * 2
	copied := C.malloc(size)
	defer C.free(copied)
	copy(unsafe.Slice((*uint16)(copied), len(units)), units)
	var status C.UErrorCode
	it := C.breaks_open(kind, locale, (*C.UChar)(copied), C.int32_t(len(units)), &status)
	if C.failed(status) != 0 {
		return nil, fmt.Errorf("ICU finds no breaks in %q: %s", lang, C.GoString(C.error_name(status)))
	}
	defer C.breaks_close(it)
	var out []int
	unit, n := 0, 0
	for {
		at := int(C.breaks_next(it))
		if at < 0 {
			return out, nil
		}
		for unit < at && n < len(text) {
			unit += utf16.RuneLen(text[n])
			n++
		}
		out = append(out, n)
	}
}
