-- +goose Up
CREATE TABLE doc (
	kind TEXT NOT NULL, id TEXT NOT NULL, rev INTEGER NOT NULL,
	owner TEXT NOT NULL, parent TEXT NOT NULL, state TEXT NOT NULL, name TEXT NOT NULL,
	due INTEGER, -- Unix milliseconds
	body TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
	PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX doc_parent ON doc (kind, parent, id);
CREATE INDEX doc_state ON doc (kind, state, id);
CREATE INDEX doc_name ON doc (kind, name, id);
CREATE INDEX doc_due ON doc (kind, due);

CREATE TABLE history (
	kind TEXT NOT NULL, id TEXT NOT NULL, rev INTEGER NOT NULL,
	owner TEXT NOT NULL, parent TEXT NOT NULL, state TEXT NOT NULL, name TEXT NOT NULL,
	due INTEGER, body TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL, deleted INTEGER NOT NULL,
	PRIMARY KEY (kind, id, rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE seq (kind TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;

CREATE TABLE audit (seq INTEGER PRIMARY KEY, row TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, at TEXT NOT NULL, signature BLOB NOT NULL) STRICT;

CREATE TABLE edition (
	scope TEXT NOT NULL, number INTEGER NOT NULL, head TEXT NOT NULL, snapshot BLOB, at INTEGER NOT NULL, by TEXT NOT NULL,
	PRIMARY KEY (scope, number)
) STRICT;
