-- The staging table of a connection for the newest state of each datastream; emptied after each transaction.
-- No index: all of it is read.
CREATE TEMPORARY TABLE staged_datastream_state (LIKE datastream_state) ON COMMIT DELETE ROWS;
