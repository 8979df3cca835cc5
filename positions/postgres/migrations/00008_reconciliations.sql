-- +goose Up

-- What answers without SEND's price left to find out, see positions/reconciliation.go.
-- Rows of payments are never pruned: they are the organization's accounts.
CREATE TABLE reconciliations (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization text        NOT NULL,
    nav          text        NOT NULL,
    iupd         text        NOT NULL,
    receipt_id   text        NOT NULL,
    state        text        NOT NULL,
    source       text        NOT NULL,
    operation    text        NOT NULL,
    answered_at  timestamptz,
    amount       bigint      NOT NULL,
    charged_fee  bigint      NOT NULL,
    due_fee      bigint      NOT NULL,
    iun          text        NOT NULL,
    opened_at    timestamptz NOT NULL,
    paid_at      timestamptz,
    judged_at    timestamptz,
    attempts     integer     NOT NULL,
    due_at       timestamptz NOT NULL,
    revision     bigint      NOT NULL
);
-- One that is of no payment for each notice, and one for each receipt.
CREATE UNIQUE INDEX reconciliations_unpaid ON reconciliations (organization, nav) WHERE paid_at IS NULL;
CREATE UNIQUE INDEX reconciliations_receipt ON reconciliations (organization, nav, receipt_id) WHERE receipt_id <> '';
-- Of the payments of a notice, so that an answer before them opens nothing.
CREATE INDEX reconciliations_paid ON reconciliations (organization, nav) WHERE paid_at IS NOT NULL;
CREATE INDEX reconciliations_due ON reconciliations (organization, due_at) WHERE state = 'OPEN';
CREATE INDEX reconciliations_opened ON reconciliations (organization, opened_at DESC);
-- What was found missing, or too much: by notification, and summed up for the metrics,
-- which look at this index alone.
CREATE INDEX reconciliations_missing ON reconciliations (organization, iun) INCLUDE (state, due_fee, charged_fee)
    WHERE state IN ('UNDER_COLLECTED', 'OVER_COLLECTED');
-- What ended without a payment, for the retention.
CREATE INDEX reconciliations_ended ON reconciliations (judged_at) WHERE state IN ('REPRICED', 'LAPSED') AND paid_at IS NULL;

-- Answers without SEND's price that have opened no reconciliation yet: written in the
-- commit of the answer, deleted in the one that opens. Nothing here makes a writer
-- wait; usually it is empty.
CREATE TABLE doubtful_answers (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at               timestamptz NOT NULL,
    organization     text        NOT NULL,
    nav              text        NOT NULL,
    operation        text        NOT NULL,
    amount           bigint      NOT NULL,
    notification_fee bigint      NOT NULL,
    source           text        NOT NULL
);
CREATE INDEX doubtful_answers_notice ON doubtful_answers (organization, nav);

-- Organizations whose SEND did not answer, and is left alone for a while.
CREATE TABLE reconciliation_holds (
    organization text        PRIMARY KEY,
    failures     integer     NOT NULL,
    until        timestamptz NOT NULL
);
