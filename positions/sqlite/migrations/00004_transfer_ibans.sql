-- +goose Up

-- The accounts that unpaid options are paid to, so that the positions on one
-- account are found without reading all. Kept by a trigger: an option row is
-- inserted and deleted, never updated.
CREATE TABLE transfer_ibans (
    organization TEXT    NOT NULL,
    iban         TEXT    NOT NULL,
    position_id  INTEGER NOT NULL,
    nav          TEXT    NOT NULL,
    PRIMARY KEY (organization, iban, position_id, nav),
    FOREIGN KEY (organization, nav) REFERENCES payment_options (organization, nav) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_ibans_option ON transfer_ibans (organization, nav);

-- +goose StatementBegin
CREATE TRIGGER payment_options_ibans AFTER INSERT ON payment_options WHEN NEW.status = 'PO_UNPAID'
BEGIN
    INSERT INTO transfer_ibans (organization, iban, position_id, nav)
    SELECT DISTINCT NEW.organization, json_extract(t.value, '$.iban'), NEW.position_id, NEW.nav
    FROM json_each(NEW.body, '$.transfer') t
    WHERE json_extract(t.value, '$.iban') IS NOT NULL;
END;
-- +goose StatementEnd

INSERT INTO transfer_ibans (organization, iban, position_id, nav)
SELECT DISTINCT o.organization, json_extract(t.value, '$.iban'), o.position_id, o.nav
FROM payment_options o, json_each(o.body, '$.transfer') t
WHERE o.status = 'PO_UNPAID' AND json_extract(t.value, '$.iban') IS NOT NULL;
