-- +goose Up

-- What one replica at a time may do, and which one does until when.
CREATE TABLE leases (
    name       text        PRIMARY KEY,
    holder     text        NOT NULL,
    expires_at timestamptz NOT NULL
);

-- How far each organization's stream of SEND's events was read.
CREATE TABLE streams (
    organization  text        PRIMARY KEY,
    stream_id     text        NOT NULL,
    last_event_id text        NOT NULL,
    updated_at    timestamptz NOT NULL
);

-- The notices of each notification that was asked about. rec_index -1: none.
CREATE TABLE notified_notices (
    iun          text        NOT NULL,
    rec_index    smallint    NOT NULL,
    organization text        NOT NULL,
    nav          text        NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (iun, rec_index, organization, nav)
);
CREATE INDEX notified_notices_age ON notified_notices (created_at);

-- Beside the price, not in it: it outlives one that was asked for before. Last,
-- so that whoever prices a notice waits for this one change alone. Its index on
-- the notification is built by migration 10. The lock is in nobody's way, and
-- waiting for it sends a vacuum away that the change could wait for.
SET LOCAL lock_timeout = '10s';
LOCK TABLE notice_prices IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '100ms';
ALTER TABLE notice_prices ADD COLUMN stale_since timestamptz;
