-- +goose Up

-- A system may authenticate with PDND's vouchers instead of a secret, and sign
-- its requests. NULLs do not collide in the index.
ALTER TABLE api_keys ADD COLUMN pdnd_client_id TEXT;
ALTER TABLE api_keys ADD COLUMN signature_keys TEXT NOT NULL DEFAULT 'null';
CREATE UNIQUE INDEX api_keys_pdnd_client ON api_keys (pdnd_client_id);
