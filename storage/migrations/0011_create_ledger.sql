-- What became of everything that was received, by feed and minute of reception. Derived from the log in the
-- transaction that stores the rows, so it is exact after any crash. In each row, hence in every sum of rows:
--
--   received     = accepted + quarantined
--   observations = new + corrected + superseded + duplicate
--
-- and over all rows: sum(new) = rows of observation + ledger_removed.observations.
CREATE TABLE IF NOT EXISTS ledger (
    feed         text NOT NULL,                     -- of the message; empty when no feed knows its topic
    minute       timestamptz NOT NULL,              -- of its reception
    -- Messages, each once by its number in its session of ingest, however often it is on the log. One that a
    -- broker hands over again is received again.
    received     bigint NOT NULL DEFAULT 0,
    accepted     bigint NOT NULL DEFAULT 0,         -- with at least one usable observation
    quarantined  bigint NOT NULL DEFAULT 0,         -- with none
    -- Observations that were decoded and usable, each time that the log holds them: by what each did to what
    -- was stored for its key (datastream, phenomenon time) when its turn came.
    observations bigint NOT NULL DEFAULT 0,
    new          bigint NOT NULL DEFAULT 0,         -- nothing was stored for its key
    corrected    bigint NOT NULL DEFAULT 0,         -- another value was, received earlier: this one replaced it
    superseded   bigint NOT NULL DEFAULT 0,         -- another value was, received later: this one lost
    duplicate    bigint NOT NULL DEFAULT 0,         -- the same value was
    -- Replays of quarantined messages: not received again, but their observations count above.
    replayed     bigint NOT NULL DEFAULT 0,         -- answers of ingest to requests for a replay
    resolved     bigint NOT NULL DEFAULT 0,         -- of these, where the message could be used wholly
    PRIMARY KEY (feed, minute)
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS ledger_by_minute ON ledger (minute);

-- The numbers of the messages that were seen of each run of ingest. It numbers them from 0 without a hole.
CREATE TABLE IF NOT EXISTS ingest_session (
    session        text PRIMARY KEY,
    sequences      int8multirange NOT NULL,         -- one range, when nothing is missing
    first_received timestamptz NOT NULL,
    last_received  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Rows of observation that retention removed, one row. It counts them in the transaction that removes them.
CREATE TABLE IF NOT EXISTS ledger_removed (
    alone        boolean PRIMARY KEY DEFAULT true CHECK (alone),
    observations bigint NOT NULL
);
INSERT INTO ledger_removed (observations) VALUES (0) ON CONFLICT (alone) DO NOTHING;

-- Observations from before there was a ledger count as new, in one row at the beginning of time.
INSERT INTO ledger (feed, minute, observations, new)
SELECT '', '0001-01-01 00:00:00+00', stored.count, stored.count
FROM (SELECT count(*) FROM observation) AS stored
WHERE stored.count > 0 AND NOT EXISTS (SELECT FROM ledger);
