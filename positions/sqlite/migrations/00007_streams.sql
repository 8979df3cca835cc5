-- +goose Up

-- What one replica at a time may do, and which one does until when.
CREATE TABLE leases (
    name       TEXT    PRIMARY KEY NOT NULL,
    holder     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each organization's stream of SEND's events was read.
CREATE TABLE streams (
    organization  TEXT    PRIMARY KEY NOT NULL,
    stream_id     TEXT    NOT NULL,
    last_event_id TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The notices of each notification that was asked about. rec_index -1: none.
CREATE TABLE notified_notices (
    iun          TEXT    NOT NULL,
    rec_index    INTEGER NOT NULL,
    organization TEXT    NOT NULL,
    nav          TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (iun, rec_index, organization, nav)
) STRICT, WITHOUT ROWID;
CREATE INDEX notified_notices_age ON notified_notices (created_at);

-- Beside the price, not in it: it outlives one that was asked for before.
ALTER TABLE notice_prices ADD COLUMN stale_since INTEGER;
CREATE INDEX notice_prices_iun ON notice_prices (json_extract(body, '$.iun')) WHERE json_extract(body, '$.iun') IS NOT NULL;
