-- Versions of observations that gave way to another one of the same key. Known at a time T was, of the versions
-- here with received_time <= T < superseded_time and the one in observation with received_time <= T, that with
-- the greatest received_time. A version that lost at once, since it came out of order, is here as well: what
-- was known does not depend on the order in which the log had it.
CREATE TABLE IF NOT EXISTS superseded_observation (
    phenomenon_time timestamptz NOT NULL,
    received_time   timestamptz NOT NULL,
    superseded_time timestamptz NOT NULL,           -- received_time of the version that it gave way to
    value           float8 NOT NULL,
    datastream_id   integer NOT NULL,
    flags           smallint NOT NULL
);

-- Corrections and repeated deliveries are few.
SELECT create_hypertable(
    'superseded_observation', by_range('phenomenon_time', INTERVAL '7 days'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
CREATE UNIQUE INDEX IF NOT EXISTS superseded_observation_key
    ON superseded_observation (datastream_id, phenomenon_time, received_time);
