-- What of each count the hub holds already.
ALTER TABLE counts ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX counts_to_send ON counts(day) WHERE n>sent;
