-- The staging table of a connection for the newest update of each property; emptied after each transaction.
-- No index: all of it is read.
CREATE TEMPORARY TABLE staged_property_state (LIKE property_state) ON COMMIT DELETE ROWS;
