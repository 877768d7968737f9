// Package resolve answers what a display shows at an instant, why, what lost
// and why, and when to ask again. It is a pure function of schedules, notices,
// what is playable, and the instant: it never reads a clock.
//
// The semantics are those of the contract, "Places, displays, schedules".
package resolve
