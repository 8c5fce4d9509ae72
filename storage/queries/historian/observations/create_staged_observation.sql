-- Where a connection stages observations; empty again after each transaction.
-- No index: it is read whole.
CREATE TEMPORARY TABLE staged_observation (
    phenomenon_time timestamptz NOT NULL,
    received_time   timestamptz NOT NULL,
    value           float8 NOT NULL,
    datastream_id   integer NOT NULL,
    flags           smallint NOT NULL
) ON COMMIT DELETE ROWS;
