package password

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cotmoc/playlist"
)

// common are words on which most guessed passwords are built, here and elsewhere.
var common = []string{"password", "matkhau", "qwerty", "admin", "welcome", "letmein", "iloveyou", "dragon", "vietnam", "saigon", "hanoi", "cotmoc", "bienphong",
	"cuakhau", "yeuem", "anhyeuem", "abc123", "asdfgh", "zxcvbn", "123456", "111111", "000000"}

// Weak refuses a password that is guessed first: too short, of few different characters, a
// row of neighbours, the login, or a common word with little around it.
func Weak(pass, login string) error {
	refuse := func(format string, a ...any) error {
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "password", Detail: fmt.Sprintf(format, a...)}
	}
	if n := utf8.RuneCountInString(pass); n < Min || n > Max {
		return refuse("a password has %d to %d characters", Min, Max)
	}
	lower := strings.ToLower(pass)
	different := map[rune]bool{}
	steps, last := 0, rune(0)
	for _, r := range lower {
		different[r] = true
		if d := r - last; d >= -1 && d <= 1 {
			steps++
		}
		last = r
	}
	if len(different) < 5 {
		return refuse("a password has 5 different characters or more")
	}
	if steps*2 > utf8.RuneCountInString(lower) {
		return refuse("a password is no row of neighbours such as 12345 or abcde")
	}
	rest := lower
	for _, word := range append([]string{strings.ToLower(login), strings.ToLower(strings.SplitN(login, "@", 2)[0])}, common...) {
		if len(word) >= 3 {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	if utf8.RuneCountInString(rest) < 6 {
		return refuse("the password is a common one, or the login: choose several words that do not belong together")
	}
	return nil
}
