-- +goose Up

-- What was paid of SEND's fees, by notification, so that the other notices of the
-- same one are asked for the rest only. The index follows the rows by itself:
-- payments that are taken back, options that go. Unpaid options are not in it.
CREATE INDEX payment_options_paid_fees ON payment_options (organization, (body -> 'payment' ->> 'iun')) WHERE status <> 'PO_UNPAID';

-- A function, and not a subquery of the reading of a notice: that would be set up
-- for each notice, this one is called for those of a notification alone. Most find
-- nothing, and then the debtor's JSON is not looked into. No notification has as
-- many notices as the limit; a relay that gives one IUN to all that it is asked of
-- has, and must not make a reading slow.
-- +goose StatementBegin
CREATE FUNCTION fees_paid(of_organization text, of_iun text, of_head json, except_nav text) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
DECLARE
    recipient text;
BEGIN
    IF NOT EXISTS (SELECT FROM payment_options o
        WHERE o.organization = of_organization AND o.body -> 'payment' ->> 'iun' = of_iun AND o.status <> 'PO_UNPAID' AND o.nav <> except_nav) THEN
        RETURN 0;
    END IF;
    recipient := nullif(upper(of_head -> 'debtor' ->> 'fiscalCode'), 'ANONIMO');
    RETURN (SELECT coalesce(sum(f.fee), 0)
        FROM (SELECT o.position_id, (o.body -> 'payment' ->> 'notificationFee')::bigint AS fee FROM payment_options o
            WHERE o.organization = of_organization AND o.body -> 'payment' ->> 'iun' = of_iun AND o.status <> 'PO_UNPAID' AND o.nav <> except_nav
            LIMIT 1024) f
        JOIN positions p ON p.id = f.position_id
        WHERE upper(p.head -> 'debtor' ->> 'fiscalCode') = recipient);
END;
$$;
-- +goose StatementEnd
