-- Why a request was made, and the range of phenomenon times that it has to process: an operator sees how far it is.
ALTER TABLE recompute_request ADD COLUMN IF NOT EXISTS reason text NOT NULL DEFAULT 'correction';
ALTER TABLE recompute_request ADD COLUMN IF NOT EXISTS began timestamptz;   -- of the first observation; NULL: waits
ALTER TABLE recompute_request ADD COLUMN IF NOT EXISTS until timestamptz;   -- of the last one that may be stored
