-- What this machine alone knows. Times are Unix milliseconds.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- Where each playlist stood on each display.
CREATE TABLE positions (
  display TEXT NOT NULL, playlist TEXT NOT NULL, position TEXT NOT NULL,
  PRIMARY KEY (display, playlist)
) STRICT;

-- Uncovered main time left until each mandatory item is due.
CREATE TABLE mandatory (
  display TEXT NOT NULL, id TEXT NOT NULL, left_ms INTEGER NOT NULL,
  PRIMARY KEY (display, id)
) STRICT;

-- Notices that were received, with the time they still run.
CREATE TABLE notices (
  id TEXT PRIMARY KEY, row TEXT NOT NULL, received INTEGER NOT NULL, remaining_ms INTEGER NOT NULL
) STRICT;

-- Proof of play. seq orders it for the outbox; id makes it exactly once.
CREATE TABLE plays (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, boot TEXT NOT NULL,
  display TEXT NOT NULL, zone TEXT NOT NULL, layer TEXT NOT NULL,
  schedule TEXT NOT NULL, playlist TEXT NOT NULL, edition TEXT NOT NULL,
  item TEXT NOT NULL, version TEXT NOT NULL, language TEXT NOT NULL,
  mandatory TEXT NOT NULL, late_ms INTEGER NOT NULL,
  start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
  start_mono INTEGER NOT NULL, end_mono INTEGER NOT NULL,
  trusted INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;

-- What must be told to the hub once: kind and a JSON body.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
