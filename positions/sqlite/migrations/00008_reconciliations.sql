-- +goose Up

-- What answers without SEND's price left to find out, see positions/reconciliation.go.
-- Rows of payments are never pruned: they are the organization's accounts.
CREATE TABLE reconciliations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    organization TEXT    NOT NULL,
    nav          TEXT    NOT NULL,
    iupd         TEXT    NOT NULL,
    receipt_id   TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    operation    TEXT    NOT NULL,
    answered_at  INTEGER,
    amount       INTEGER NOT NULL,
    charged_fee  INTEGER NOT NULL,
    due_fee      INTEGER NOT NULL,
    iun          TEXT    NOT NULL,
    opened_at    INTEGER NOT NULL,
    paid_at      INTEGER,
    judged_at    INTEGER,
    attempts     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    revision     INTEGER NOT NULL
) STRICT;
-- One that is of no payment for each notice, and one for each receipt.
CREATE UNIQUE INDEX reconciliations_unpaid ON reconciliations (organization, nav) WHERE paid_at IS NULL;
CREATE UNIQUE INDEX reconciliations_receipt ON reconciliations (organization, nav, receipt_id) WHERE receipt_id <> '';
-- Of the payments of a notice, so that an answer before them opens nothing.
CREATE INDEX reconciliations_paid ON reconciliations (organization, nav) WHERE paid_at IS NOT NULL;
CREATE INDEX reconciliations_due ON reconciliations (organization, due_at) WHERE state = 'OPEN';
CREATE INDEX reconciliations_opened ON reconciliations (organization, opened_at DESC);
-- What was found missing, or too much: by notification, and summed up for the metrics,
-- which look at this index alone.
CREATE INDEX reconciliations_missing ON reconciliations (organization, iun, state, due_fee, charged_fee)
    WHERE state IN ('UNDER_COLLECTED', 'OVER_COLLECTED');
-- What ended without a payment, for the retention.
CREATE INDEX reconciliations_ended ON reconciliations (judged_at) WHERE state IN ('REPRICED', 'LAPSED') AND paid_at IS NULL;

-- Answers without SEND's price that have opened no reconciliation yet: written in the
-- commit of the answer, deleted in the one that opens. Usually it is empty.
CREATE TABLE doubtful_answers (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at               INTEGER NOT NULL,
    organization     TEXT    NOT NULL,
    nav              TEXT    NOT NULL,
    operation        TEXT    NOT NULL,
    amount           INTEGER NOT NULL,
    notification_fee INTEGER NOT NULL,
    source           TEXT    NOT NULL
) STRICT;
CREATE INDEX doubtful_answers_notice ON doubtful_answers (organization, nav);

-- Organizations whose SEND did not answer, and is left alone for a while.
CREATE TABLE reconciliation_holds (
    organization TEXT    PRIMARY KEY NOT NULL,
    failures     INTEGER NOT NULL,
    until        INTEGER NOT NULL
) STRICT;
