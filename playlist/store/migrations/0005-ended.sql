-- What has ended for good, however long what ended it is still told of: notices
-- that were cancelled, versions that were withdrawn.
CREATE TABLE ended (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, UNIQUE (kind, id)
) STRICT;
