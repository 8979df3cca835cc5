-- +goose Up

-- What was paid of SEND's fees, by notification, so that the other notices of the
-- same one are asked for the rest only. The index follows the rows by itself:
-- payments that are taken back, options that go. Unpaid options are not in it.
CREATE INDEX payment_options_paid_fees ON payment_options (organization, (body -> 'payment' ->> 'iun')) WHERE status <> 'PO_UNPAID';

-- A function, because a subquery of the reading of a notice would be set up for
-- every notice, and few need it. No notification has as many notices as the limit;
-- a relay that gives one IUN to all that it is asked of has, and must not make a
-- reading slow.
-- +goose StatementBegin
CREATE FUNCTION fees_paid(of_organization text, of_iun text, of_recipient text, except_nav text) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT coalesce(sum(f.fee), 0)
        FROM (SELECT o.position_id, (o.body -> 'payment' ->> 'notificationFee')::bigint AS fee FROM payment_options o
            WHERE o.organization = of_organization AND o.body -> 'payment' ->> 'iun' = of_iun AND o.status <> 'PO_UNPAID' AND o.nav <> except_nav
            LIMIT 128) f
        JOIN positions p ON p.id = f.position_id
        WHERE upper(p.head -> 'debtor' ->> 'fiscalCode') = nullif(upper(of_recipient), 'ANONIMO'));
END;
$$;
-- +goose StatementEnd
