-- +goose Up

-- Requests sent with an Idempotency-Key: reserved while they are carried out
-- (status is null), then kept with their answer, which can hold personal data
-- and is pruned when its time is over.
CREATE TABLE attempts (
    scope       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    token       text        NOT NULL,
    until       timestamptz NOT NULL,
    status      smallint,
    header      json,
    body        bytea,
    PRIMARY KEY (scope, key)
);
CREATE INDEX attempts_until ON attempts (until);

-- Taken from organizations_revision, so that it never comes back.
ALTER TABLE organizations ADD COLUMN version bigint NOT NULL DEFAULT 1;
