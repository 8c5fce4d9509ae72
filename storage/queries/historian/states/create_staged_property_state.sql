-- Where a connection stages the newest update of each property; empty again after each transaction.
-- No index: it is read whole.
CREATE TEMPORARY TABLE staged_property_state (LIKE property_state) ON COMMIT DELETE ROWS;
