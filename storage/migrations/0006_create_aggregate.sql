-- What the observations of a datastream come to in a minute, ten minutes, an hour and a local day: written by
-- the stream and by repair, read instead of raw values. A row is replaced by one with a greater revision.
-- Values are canonical and calibrated; NULL where no usable observation lies in the window, or where the
-- figure means nothing for the property. Columns go from wide to narrow.
--
-- Chunks hold about as many rows as a day of raw values, whose reasons are in 0003. 1,500 datastreams make
-- 2.2 million minutes a day (300 MB, a third of it the index), 1.5 million ten minutes in seven days, 1 million
-- hours in 28, and 0.5 million days in a year. The longest are dropped last, and one by one.
CREATE TABLE IF NOT EXISTS aggregate_minute (
    start         timestamptz NOT NULL,             -- of the window, which is half-open
    revision      bigint NOT NULL,                  -- log time of the emission, microseconds
    expected      float8 NOT NULL,                  -- observations that the sensor's interval lets expect
    minimum       float8,
    maximum       float8,
    mean          float8,                           -- of a circular property the mean direction
    sum           float8,                           -- where it adds up; a counter's increase
    first         float8,                           -- by event time
    last          float8,
    datastream_id integer NOT NULL,
    count         integer NOT NULL,                 -- usable observations
    suspect       integer NOT NULL,                 -- observations that were not used
    flags         smallint NOT NULL,                -- all flags of all of them
    sketch        bytea NOT NULL                    -- for percentiles; empty where they mean nothing
);
CREATE TABLE IF NOT EXISTS aggregate_ten_minutes (LIKE aggregate_minute);
CREATE TABLE IF NOT EXISTS aggregate_hour (LIKE aggregate_minute);
CREATE TABLE IF NOT EXISTS aggregate_day (LIKE aggregate_minute);

SELECT create_hypertable(
    'aggregate_minute', by_range('start', INTERVAL '1 day'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
SELECT create_hypertable(
    'aggregate_ten_minutes', by_range('start', INTERVAL '7 days'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
SELECT create_hypertable(
    'aggregate_hour', by_range('start', INTERVAL '28 days'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
SELECT create_hypertable(
    'aggregate_day', by_range('start', INTERVAL '364 days'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);

CREATE UNIQUE INDEX IF NOT EXISTS aggregate_minute_key ON aggregate_minute (datastream_id, start);
CREATE UNIQUE INDEX IF NOT EXISTS aggregate_ten_minutes_key ON aggregate_ten_minutes (datastream_id, start);
CREATE UNIQUE INDEX IF NOT EXISTS aggregate_hour_key ON aggregate_hour (datastream_id, start);
CREATE UNIQUE INDEX IF NOT EXISTS aggregate_day_key ON aggregate_day (datastream_id, start);
