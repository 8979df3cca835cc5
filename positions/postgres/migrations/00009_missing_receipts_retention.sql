-- +goose Up

-- Answers by the time alone: for activations without a receipt, and to prune what
-- was kept long enough. They are inserted in the order of time, and a range index
-- costs the answer next to nothing, where a tree would cost each an entry.
CREATE INDEX answers_at ON answers USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

-- When a receipt lost what could name people. The index holds those that still
-- have it, so that the oldest of them are found at once.
ALTER TABLE receipts ADD COLUMN anonymized_at timestamptz;
CREATE INDEX receipts_whole ON receipts (received_at) WHERE anonymized_at IS NULL;
