-- +goose Up

-- A system may authenticate with PDND's vouchers instead of a secret, and sign
-- its requests. Text, not jsonb, as in 00001. NULLs do not collide in the index.
ALTER TABLE api_keys
    ADD COLUMN pdnd_client_id text,
    ADD COLUMN signature_keys json NOT NULL DEFAULT 'null';
CREATE UNIQUE INDEX api_keys_pdnd_client ON api_keys (pdnd_client_id);
