-- The staging table of a connection for aggregates of all sizes; emptied after each transaction.
-- No index: all of it is read.
CREATE TEMPORARY TABLE staged_aggregate (LIKE aggregate_minute, size bigint NOT NULL) ON COMMIT DELETE ROWS;
