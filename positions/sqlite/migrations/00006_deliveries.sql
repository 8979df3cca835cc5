-- +goose Up

-- What has to leave because a notice was paid, written in the transaction of the
-- payment. Every receipt can add one: the indexes on what waits hold that alone,
-- and so stay small; taking a delivery for an attempt touches none of them. The
-- others find those of an organization, of a notice and of a receipt for whoever asks.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT    NOT NULL,
    organization    TEXT    NOT NULL,
    nav             TEXT    NOT NULL,
    receipt_id      TEXT    NOT NULL, -- empty: a payment without a receipt
    amount          INTEGER NOT NULL,
    paid_at         INTEGER,
    state           TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    pending_since   INTEGER NOT NULL,
    due_at          INTEGER NOT NULL, -- the next attempt
    look_at         INTEGER NOT NULL, -- when it is looked at: due_at, or later when another one about its notice comes first
    tried           INTEGER NOT NULL DEFAULT 0, -- in vain: those that were not leave before it
    claimed_until   INTEGER,          -- null: nobody attempts it
    claim           INTEGER NOT NULL DEFAULT 0, -- of claims and replays, so that a late settlement is noticed
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_attempt_at INTEGER,
    last_status     INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT    NOT NULL DEFAULT '',
    ended_at        INTEGER
) STRICT;
CREATE INDEX deliveries_due ON deliveries (kind, organization, tried, look_at, id) WHERE state = 'PENDING';
CREATE INDEX deliveries_queue ON deliveries (organization, nav, kind, id) WHERE state = 'PENDING';
CREATE INDEX deliveries_listed ON deliveries (organization, id DESC);
CREATE INDEX deliveries_notice ON deliveries (organization, nav, id DESC);
CREATE INDEX deliveries_receipt ON deliveries (organization, receipt_id);
CREATE INDEX deliveries_parked ON deliveries (organization, kind, id) WHERE state = 'PARKED';
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
