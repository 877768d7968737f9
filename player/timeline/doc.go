// Package timeline decides, purely, what a zone shows next: the order of a
// playlist's entries, whose language's turn it is, which mandatory item is
// due, how long a text takes to read, and which caption shows when.
package timeline
