-- +goose Up

-- What has to leave because a notice was paid, written in the transaction of the
-- payment. Every receipt can add one: the indexes on what waits hold that alone,
-- and so stay small; taking a delivery for an attempt touches none of them. The
-- others find those of an organization, of a notice and of a receipt for whoever asks.
CREATE TABLE deliveries (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text        NOT NULL,
    organization    text        NOT NULL,
    nav             text        NOT NULL,
    receipt_id      text        NOT NULL, -- empty: a payment without a receipt
    amount          bigint      NOT NULL,
    paid_at         timestamptz,
    state           text        NOT NULL,
    created_at      timestamptz NOT NULL,
    pending_since   timestamptz NOT NULL,
    due_at          timestamptz NOT NULL, -- the next attempt
    look_at         timestamptz NOT NULL, -- when it is looked at: due_at, or later when another one about its notice comes first
    tried           boolean     NOT NULL DEFAULT false, -- in vain: those that were not leave before it
    claimed_until   timestamptz,          -- null: nobody attempts it
    claim           bigint      NOT NULL DEFAULT 0, -- of claims and replays, so that a late settlement is noticed
    attempts        integer     NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    last_status     integer     NOT NULL DEFAULT 0,
    last_error      text        NOT NULL DEFAULT '',
    ended_at        timestamptz
);
CREATE INDEX deliveries_due ON deliveries (kind, organization, tried, look_at, id) WHERE state = 'PENDING';
CREATE INDEX deliveries_queue ON deliveries (organization, nav, kind, id) WHERE state = 'PENDING';
CREATE INDEX deliveries_listed ON deliveries (organization, id DESC);
CREATE INDEX deliveries_notice ON deliveries (organization, nav, id DESC);
CREATE INDEX deliveries_receipt ON deliveries (organization, receipt_id);
CREATE INDEX deliveries_parked ON deliveries (organization, kind, id) WHERE state = 'PARKED';
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
