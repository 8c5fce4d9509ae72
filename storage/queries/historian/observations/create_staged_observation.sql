-- The staging table of a connection for observations; emptied after each transaction.
-- No index: all of it is read.
CREATE TEMPORARY TABLE staged_observation (
    phenomenon_time timestamptz NOT NULL,
    received_time   timestamptz NOT NULL,
    value           float8 NOT NULL,
    datastream_id   integer NOT NULL,
    flags           smallint NOT NULL,
    rank            bigint NOT NULL
) ON COMMIT DELETE ROWS;
