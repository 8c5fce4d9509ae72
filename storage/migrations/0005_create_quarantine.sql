-- Messages that could not be used, or not wholly, and why. The three indexes page newest first: all, of one
-- feed, of one reason.
CREATE TABLE IF NOT EXISTS quarantine (
    id             text PRIMARY KEY,
    feed           text NOT NULL,                   -- empty when no feed knows the topic
    topic          text NOT NULL,
    received_time  timestamptz NOT NULL,
    reason         text NOT NULL,
    detail         text NOT NULL,
    payload        bytea NOT NULL,                  -- its beginning
    payload_bytes  bigint NOT NULL,                 -- length of the whole
    payload_sha256 text NOT NULL                    -- of the whole, hex
);
CREATE INDEX IF NOT EXISTS quarantine_newest ON quarantine (received_time DESC, id DESC);
CREATE INDEX IF NOT EXISTS quarantine_newest_of_feed ON quarantine (feed, received_time DESC, id DESC);
CREATE INDEX IF NOT EXISTS quarantine_newest_of_reason ON quarantine (reason, received_time DESC, id DESC);
