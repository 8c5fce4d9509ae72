-- Hours in which an observation came too late for the windows in memory: they are to be made again from raw
-- values, once the log up to log_offset is stored. A row goes when that is done, unless it has changed meanwhile.
CREATE TABLE IF NOT EXISTS repair_request (
    datastream_id integer NOT NULL,
    start         timestamptz NOT NULL,             -- of the hour, UTC
    log_id        text NOT NULL,
    partition     integer NOT NULL,                 -- of the topic observations
    log_offset    bigint NOT NULL,                  -- of the last record whose observations are meant
    requested_at  timestamptz NOT NULL,             -- log time
    PRIMARY KEY (datastream_id, start)
);
