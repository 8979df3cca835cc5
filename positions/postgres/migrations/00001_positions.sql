-- +goose Up

-- Columns hold what is searched and sorted by; the rest is JSON. The type is
-- json, not jsonb: it is read back as the text that was written.

CREATE TABLE positions (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization     text        NOT NULL,
    iupd             text        NOT NULL,
    version          bigint      NOT NULL,
    status           text        NOT NULL,
    lifecycle        text        NOT NULL,
    validity_date    timestamptz,
    publish_date     timestamptz,
    payment_date     timestamptz,
    last_due_date    timestamptz,
    -- When a VALID position reads as EXPIRED; null: never.
    expires_at       timestamptz,
    company_name     text        NOT NULL,
    inserted_at      timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    -- Paid options of either kind, so that a notice need not read its siblings.
    paid_full        smallint    NOT NULL,
    paid_instalments smallint    NOT NULL,
    head             json        NOT NULL,
    CONSTRAINT positions_iupd UNIQUE (organization, iupd)
);
CREATE INDEX positions_inserted ON positions (organization, inserted_at);

CREATE TABLE payment_options (
    organization text        NOT NULL,
    nav          text        NOT NULL,
    iuv          text        NOT NULL,
    position_id  bigint      NOT NULL REFERENCES positions ON DELETE CASCADE,
    ordinal      smallint    NOT NULL,
    status       text        NOT NULL,
    is_partial   boolean     NOT NULL,
    due_date     timestamptz NOT NULL,
    body         json        NOT NULL,
    CONSTRAINT payment_options_nav PRIMARY KEY (organization, nav),
    CONSTRAINT payment_options_iuv UNIQUE (organization, iuv)
);
CREATE INDEX payment_options_position ON payment_options (position_id, ordinal);

-- The history outlives its position, hence no reference to it.
CREATE TABLE position_versions (
    organization text        NOT NULL,
    iupd         text        NOT NULL,
    version      bigint      NOT NULL,
    status       text        NOT NULL,
    lifecycle    text        NOT NULL,
    actor_kind   text        NOT NULL,
    actor_id     text        NOT NULL,
    action       text        NOT NULL,
    reason       text        NOT NULL,
    at           timestamptz NOT NULL,
    document     json        NOT NULL,
    PRIMARY KEY (organization, iupd, version)
);

CREATE TABLE notice_prices (
    organization text        NOT NULL,
    nav          text        NOT NULL,
    fetched_at   timestamptz NOT NULL,
    body         json        NOT NULL,
    PRIMARY KEY (organization, nav)
);

CREATE TABLE organizations (
    organization text        PRIMARY KEY,
    created_at   timestamptz NOT NULL,
    body         json        NOT NULL
);

CREATE TABLE organization_secrets (
    organization text PRIMARY KEY REFERENCES organizations ON DELETE CASCADE,
    sealed       json NOT NULL
);

-- One row. Whoever changes an organization bumps it first and so also waits
-- for whoever else is changing one.
CREATE TABLE organizations_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint  NOT NULL
);
INSERT INTO organizations_revision (revision) VALUES (0);

CREATE TABLE api_keys (
    id                text        PRIMARY KEY,
    organization      text        NOT NULL CONSTRAINT api_keys_organization REFERENCES organizations ON DELETE CASCADE,
    name              text        NOT NULL,
    role              text        NOT NULL,
    segregation_codes json        NOT NULL,
    hash              bytea       NOT NULL,
    created_at        timestamptz NOT NULL,
    last_used_at      timestamptz
);
CREATE INDEX api_keys_by_organization ON api_keys (organization, created_at);

-- The Nodo is told an amount now and disputes it months later. Partitions are
-- months in UTC; the default one takes what falls outside of them.
CREATE TABLE answers (
    id               bigint      GENERATED ALWAYS AS IDENTITY, -- names an answer; no index of its own, each costs every answer
    at               timestamptz NOT NULL,
    organization     text        NOT NULL,
    nav              text        NOT NULL,
    operation        text        NOT NULL,
    station          text        NOT NULL,
    duration_us      bigint      NOT NULL,
    outcome          text        NOT NULL,
    fault            text        NOT NULL,
    amount           bigint      NOT NULL,
    base_amount      bigint      NOT NULL,
    notification_fee bigint      NOT NULL,
    source           text        NOT NULL,
    position_version bigint      NOT NULL,
    send             json,
    price            json
) PARTITION BY RANGE (at);
CREATE TABLE answers_default PARTITION OF answers DEFAULT;
CREATE INDEX answers_notice ON answers (organization, nav, at DESC);

-- What makes a receipt known for ever: neither partitioned nor pruned.
CREATE TABLE receipt_ids (
    organization text        NOT NULL,
    receipt_id   text        NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (organization, receipt_id)
);

CREATE TABLE receipts (
    organization text        NOT NULL,
    receipt_id   text        NOT NULL,
    received_at  timestamptz NOT NULL,
    nav          text        NOT NULL,
    flagged      boolean     NOT NULL,
    body         json        NOT NULL,
    message      bytea       NOT NULL,
    PRIMARY KEY (organization, receipt_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE receipts_default PARTITION OF receipts DEFAULT;
CREATE INDEX receipts_received ON receipts (organization, received_at DESC);
CREATE INDEX receipts_notice ON receipts (organization, nav, received_at DESC);
