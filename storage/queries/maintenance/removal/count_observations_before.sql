-- The number of observations before a time.
-- No index: reads the chunks that are about to be dropped.
SELECT count(*) FROM observation WHERE phenomenon_time < %s;
