-- Names this database towards the hub: one that is made anew counts anew.
INSERT INTO meta VALUES('epoch', lower(hex(randomblob(16))));
DROP TABLE outbox;
