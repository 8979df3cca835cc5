-- +goose Up

-- The accounts that unpaid options are paid to, so that the positions on one
-- account are found without reading all. Kept by a trigger: an option row is
-- inserted and deleted, never updated.
CREATE TABLE transfer_ibans (
    organization text   NOT NULL,
    iban         text   NOT NULL,
    position_id  bigint NOT NULL,
    nav          text   NOT NULL,
    PRIMARY KEY (organization, iban, position_id, nav),
    FOREIGN KEY (organization, nav) REFERENCES payment_options (organization, nav) ON DELETE CASCADE
);
CREATE INDEX transfer_ibans_option ON transfer_ibans (organization, nav);

-- +goose StatementBegin
CREATE FUNCTION payment_options_ibans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transfer_ibans (organization, iban, position_id, nav)
    SELECT DISTINCT o.organization, t ->> 'iban', o.position_id, o.nav
    FROM inserted o, json_array_elements(o.body -> 'transfer') t
    WHERE o.status = 'PO_UNPAID' AND t ->> 'iban' IS NOT NULL;
    RETURN NULL;
END;
$$;
-- +goose StatementEnd
CREATE TRIGGER payment_options_ibans AFTER INSERT ON payment_options
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION payment_options_ibans();

INSERT INTO transfer_ibans (organization, iban, position_id, nav)
SELECT DISTINCT o.organization, t ->> 'iban', o.position_id, o.nav
FROM payment_options o, json_array_elements(o.body -> 'transfer') t
WHERE o.status = 'PO_UNPAID' AND t ->> 'iban' IS NOT NULL;
