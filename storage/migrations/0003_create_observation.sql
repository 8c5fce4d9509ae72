-- Every observation, once. No reference to datastream: the log may hold observations of a datastream that this
-- database does not know (restored from a backup), and refusing them would stop the historian.
--
-- Columns go from wide to narrow: 56 bytes a row instead of 64.
CREATE TABLE IF NOT EXISTS observation (
    phenomenon_time timestamptz NOT NULL,
    received_time   timestamptz NOT NULL,
    value           float8 NOT NULL,
    datastream_id   integer NOT NULL,
    flags           smallint NOT NULL DEFAULT 0
);

-- Chunks of a day: a row takes 60 bytes with its pointer, its index entry about 35. A city of 1,500 datastreams
-- at one value a minute makes 2.2 million rows = 200 MB a day, of which the 75 MB of index stay in a small
-- machine's memory; a week would be 0.5 GB of index. A question about a day or two, by far the most frequent,
-- touches two or three chunks, and a year is 365, which still plans fast.
SELECT create_hypertable(
    'observation', by_range('phenomenon_time', INTERVAL '1 day'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);

-- The key of an observation: the merge looks it up, and a range of one datastream is one scan of it. Ascending,
-- since values arrive in that order within a datastream: PostgreSQL then splits pages where the rows come in
-- and leaves them full, and it reads an index backwards as fast as forwards.
CREATE UNIQUE INDEX IF NOT EXISTS observation_key ON observation (datastream_id, phenomenon_time);
