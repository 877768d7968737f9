package kiosk

import (
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// Undrawable lists the characters of a version that no font of ours draws, in
// order; "" if there are none.
func Undrawable(e *typeset.Engine, v playlist.Version) string {
	return string(e.Missing(v.Title + "\n" + v.Summary + "\n" + v.Text))
}
