-- +goose Up

-- Answers by the time alone: for activations without a receipt, and to prune what
-- was kept long enough. They are inserted in the order of time, at the end of the
-- index.
CREATE INDEX answers_at ON answers (at);

-- When a receipt lost what could name people. The index holds those that still
-- have it, so that the oldest of them are found at once.
ALTER TABLE receipts ADD COLUMN anonymized_at INTEGER;
CREATE INDEX receipts_whole ON receipts (received_at) WHERE anonymized_at IS NULL;
