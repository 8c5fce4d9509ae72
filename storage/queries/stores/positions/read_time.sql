-- The present time.
-- No index, and no table.
SELECT clock_timestamp();
