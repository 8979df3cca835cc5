-- +goose Up

-- When a receipt lost what could name people. The index of those that did not,
-- and those of answers by their time, are built by migration 10. For the lock see
-- migration 7.
SET LOCAL lock_timeout = '10s';
LOCK TABLE receipts IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '100ms';
ALTER TABLE receipts ADD COLUMN anonymized_at timestamptz;
