-- Windows that a repair has changed and that the stream may still remember: they are to be sent to it over the log.
CREATE TABLE IF NOT EXISTS repaired_window (
    datastream_id integer NOT NULL,
    size          bigint NOT NULL,                  -- in microseconds
    start         timestamptz NOT NULL,
    PRIMARY KEY (datastream_id, size, start)
);
