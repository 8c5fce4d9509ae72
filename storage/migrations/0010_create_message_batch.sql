-- Where observations come from: the headers of the messages of one observation record, and their payloads while
-- they are kept. headers is `twin.messages.MessageHeaders`, datastreams the ids of their observations in order
-- (little-endian 32-bit integers), payloads the list of payloads; all three are compressed (zlib).
-- The messages of a row were received within an hour: a record that spans more has a row for each hour.
CREATE TABLE IF NOT EXISTS message_batch (
    first_received timestamptz NOT NULL,
    last_received  timestamptz NOT NULL,
    log_offset     bigint NOT NULL,
    partition      integer NOT NULL,
    log_id         text NOT NULL,
    headers        bytea NOT NULL,
    datastreams    bytea NOT NULL,
    payloads       bytea                            -- NULL when dropped, or never kept
);

-- They are compressed already. EXTERNAL keeps the server from trying again.
ALTER TABLE message_batch
    ALTER COLUMN headers SET STORAGE EXTERNAL,
    ALTER COLUMN datastreams SET STORAGE EXTERNAL,
    ALTER COLUMN payloads SET STORAGE EXTERNAL;

-- A message takes about 100 bytes and its payload as many again: 1,500 sensors at one a minute make 400 MB a
-- day. A day is what retention drops at a time, and one question touches at most two.
SELECT create_hypertable(
    'message_batch', by_range('first_received', INTERVAL '1 day'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
CREATE UNIQUE INDEX IF NOT EXISTS message_batch_key
    ON message_batch (partition, first_received, log_id, log_offset);
