-- What a replay needs: which message of which run of ingest it was, who sent it and who decoded it, and how far
-- the replay is. One that is requested is sent to the topic replays; ingest answers on quarantine, and the
-- answer clears the request.
ALTER TABLE quarantine
    ADD COLUMN IF NOT EXISTS session text NOT NULL DEFAULT '',          -- empty for a record of the log itself
    ADD COLUMN IF NOT EXISTS sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS observations bigint NOT NULL DEFAULT 0,    -- that could be used all the same
    ADD COLUMN IF NOT EXISTS device text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS decoder text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS decoder_version integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS attempts integer NOT NULL DEFAULT 0,       -- answers to replays
    ADD COLUMN IF NOT EXISTS replay_requested_at timestamptz,
    ADD COLUMN IF NOT EXISTS replay_sent_at timestamptz,
    ADD COLUMN IF NOT EXISTS resolved_at timestamptz;

-- The requests, in the order in which they are sent.
CREATE INDEX IF NOT EXISTS quarantine_by_request ON quarantine (received_time, id)
    WHERE replay_requested_at IS NOT NULL;
-- What a device sent, newest first: a sensor that becomes known gets all of it again.
CREATE INDEX IF NOT EXISTS quarantine_newest_of_device ON quarantine (device, received_time DESC, id DESC)
    WHERE device <> '';
