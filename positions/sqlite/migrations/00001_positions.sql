-- +goose Up

-- Columns hold what is searched and sorted by; the rest is JSON text. Instants
-- are microseconds since 1970 in UTC.

CREATE TABLE positions (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    organization     TEXT    NOT NULL,
    iupd             TEXT    NOT NULL,
    version          INTEGER NOT NULL,
    status           TEXT    NOT NULL,
    lifecycle        TEXT    NOT NULL,
    validity_date    INTEGER,
    publish_date     INTEGER,
    payment_date     INTEGER,
    last_due_date    INTEGER,
    -- When a VALID position reads as EXPIRED; null: never.
    expires_at       INTEGER,
    company_name     TEXT    NOT NULL,
    inserted_at      INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    -- Paid options of either kind, so that a notice need not read its siblings.
    paid_full        INTEGER NOT NULL,
    paid_instalments INTEGER NOT NULL,
    head             TEXT    NOT NULL,
    UNIQUE (organization, iupd)
) STRICT;
CREATE INDEX positions_inserted ON positions (organization, inserted_at);

CREATE TABLE payment_options (
    organization TEXT    NOT NULL,
    nav          TEXT    NOT NULL,
    iuv          TEXT    NOT NULL,
    position_id  INTEGER NOT NULL REFERENCES positions ON DELETE CASCADE,
    ordinal      INTEGER NOT NULL,
    status       TEXT    NOT NULL,
    is_partial   INTEGER NOT NULL,
    due_date     INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    UNIQUE (organization, nav),
    UNIQUE (organization, iuv)
) STRICT;
CREATE INDEX payment_options_position ON payment_options (position_id, ordinal);

-- The history outlives its position, hence no reference to it.
CREATE TABLE position_versions (
    organization TEXT    NOT NULL,
    iupd         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    status       TEXT    NOT NULL,
    lifecycle    TEXT    NOT NULL,
    actor_kind   TEXT    NOT NULL,
    actor_id     TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    document     TEXT    NOT NULL,
    UNIQUE (organization, iupd, version)
) STRICT;

CREATE TABLE notice_prices (
    organization TEXT    NOT NULL,
    nav          TEXT    NOT NULL,
    fetched_at   INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    PRIMARY KEY (organization, nav)
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
    organization TEXT    PRIMARY KEY NOT NULL,
    created_at   INTEGER NOT NULL,
    body         TEXT    NOT NULL
) STRICT;

CREATE TABLE organization_secrets (
    organization TEXT PRIMARY KEY NOT NULL REFERENCES organizations ON DELETE CASCADE,
    sealed       TEXT NOT NULL
) STRICT;

-- One row.
CREATE TABLE organizations_revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO organizations_revision (only_row, revision) VALUES (1, 0);

CREATE TABLE api_keys (
    id                TEXT    PRIMARY KEY NOT NULL,
    organization      TEXT    NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name              TEXT    NOT NULL,
    role              TEXT    NOT NULL,
    segregation_codes TEXT    NOT NULL,
    hash              BLOB    NOT NULL,
    created_at        INTEGER NOT NULL,
    last_used_at      INTEGER
) STRICT;
CREATE INDEX api_keys_by_organization ON api_keys (organization, created_at);

CREATE TABLE answers (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at               INTEGER NOT NULL,
    organization     TEXT    NOT NULL,
    nav              TEXT    NOT NULL,
    operation        TEXT    NOT NULL,
    station          TEXT    NOT NULL,
    duration_us      INTEGER NOT NULL,
    outcome          TEXT    NOT NULL,
    fault            TEXT    NOT NULL,
    amount           INTEGER NOT NULL,
    base_amount      INTEGER NOT NULL,
    notification_fee INTEGER NOT NULL,
    source           TEXT    NOT NULL,
    position_version INTEGER NOT NULL,
    send             TEXT,
    price            TEXT
) STRICT;
CREATE INDEX answers_notice ON answers (organization, nav, at DESC);

-- What makes a receipt known for ever: never pruned.
CREATE TABLE receipt_ids (
    organization TEXT    NOT NULL,
    receipt_id   TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    PRIMARY KEY (organization, receipt_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipts (
    organization TEXT    NOT NULL,
    receipt_id   TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    nav          TEXT    NOT NULL,
    flagged      INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    message      BLOB    NOT NULL,
    UNIQUE (organization, receipt_id)
) STRICT;
CREATE INDEX receipts_received ON receipts (organization, received_at DESC);
CREATE INDEX receipts_notice ON receipts (organization, nav, received_at DESC);
CREATE INDEX receipts_at ON receipts (received_at);
