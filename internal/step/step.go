// Package step numbers the steps of what must survive a kill at any moment, so
// that a test can kill the process at each of them. Outside of tests it does
// nothing.
package step

import "sync/atomic"

var hook atomic.Pointer[func(name string)]

// At marks a step: what is before it is done, what is behind it is not.
func At(name string) {
	if f := hook.Load(); f != nil {
		(*f)(name)
	}
}

// Hook has f called at each step, from whichever goroutine comes there.
func Hook(f func(name string)) { hook.Store(&f) }
