// Package version says which version the programs are.
package version

// Number is that of the file VERSION; the linker sets it.
var Number = "development"
