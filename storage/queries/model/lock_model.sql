-- Let one process at a time change the model; held until the transaction ends.
-- No index: an advisory lock.
SELECT pg_advisory_xact_lock(hashtextextended('livetwin.model', 0));
