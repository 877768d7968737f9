// Package store is the kiosk's cached database on SQLite: state.db, which this
// machine writes and nobody can give it again, and one immutable catalogue
// file per edition with its full-text index beside it.
package store
