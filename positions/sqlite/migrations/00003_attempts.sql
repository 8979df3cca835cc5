-- +goose Up

-- Requests sent with an Idempotency-Key: reserved while they are carried out
-- (status is null), then kept with their answer, which can hold personal data
-- and is pruned when its time is over.
CREATE TABLE attempts (
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    token       TEXT    NOT NULL,
    until       INTEGER NOT NULL,
    status      INTEGER,
    header      TEXT,
    body        BLOB,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX attempts_until ON attempts (until);

-- Taken from organizations_revision, so that it never comes back.
ALTER TABLE organizations ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
