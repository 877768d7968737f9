package playlist

import (
	"errors"
	"fmt"
)

// Code names a kind of problem. Codes are stable: screens and the hub look up
// a translated message by code and never show Error's text to a traveller.
type Code string

// The codes that this package returns.
const (
	CodeInvalid   Code = "invalid"   // a value out of its range or form
	CodeDuplicate Code = "duplicate" // an id used twice
	CodeMissing   Code = "missing"   // a reference to something that is not there
	CodeCycle     Code = "cycle"     // playlists or places that contain themselves
	CodeLanguage  Code = "language"  // a language tag that is malformed or unknown
	CodeRefused   Code = "refused"   // well formed, but not allowed to its owner
)

// Error is a problem in content or configuration. Where names the offending
// object ("schedule s1: lasts"), Detail says in plain words what is wrong.
type Error struct {
	Code   Code
	Where  string
	Detail string
}

func (e *Error) Error() string {
	if e.Where == "" {
		return e.Detail
	}
	return e.Where + ": " + e.Detail
}

// CodeOf finds the code of the first *Error in err's tree, or "" if none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func invalid(where, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Where: where, Detail: fmt.Sprintf(format, args...)}
}

func missing(where, kind string, id ID) *Error {
	return &Error{Code: CodeMissing, Where: where, Detail: fmt.Sprintf("%s %q does not exist", kind, id)}
}
