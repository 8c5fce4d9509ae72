-- Where a connection stages aggregates of all sizes; empty again after each transaction.
-- No index: it is read whole.
CREATE TEMPORARY TABLE staged_aggregate (LIKE aggregate_minute, size bigint NOT NULL) ON COMMIT DELETE ROWS;
