-- +goose Up

-- What was paid of SEND's fees, by notification, so that the other notices of the
-- same one are asked for the rest only. The index follows the rows by itself:
-- payments that are taken back, options that go. Unpaid options are not in it.
CREATE INDEX payment_options_paid_fees ON payment_options (organization, json_extract(body, '$.payment.iun')) WHERE status <> 'PO_UNPAID';
