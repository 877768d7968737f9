// Package playlist is the domain of Cột Mốc: places, displays, items and their
// versions, playlists, layouts, schedules, notices and the programme that a
// stage shows. It is pure: no file, no network, no clock. Constructors check
// and bound everything they are given, so that code further in can trust it.
package playlist
