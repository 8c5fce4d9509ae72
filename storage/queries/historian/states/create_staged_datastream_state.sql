-- Where a connection stages the newest state of each datastream; empty again after each transaction.
-- No index: it is read whole.
CREATE TEMPORARY TABLE staged_datastream_state (LIKE datastream_state) ON COMMIT DELETE ROWS;
