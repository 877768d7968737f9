-- What visitors did at the library, counted by day and without any identity.
CREATE TABLE counts (
  day TEXT NOT NULL, what TEXT NOT NULL, item TEXT NOT NULL, language TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (day, what, item, language)
) STRICT, WITHOUT ROWID;
