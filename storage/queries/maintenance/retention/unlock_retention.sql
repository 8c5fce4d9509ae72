-- Release the lock of retention.
-- No index: an advisory lock.
SELECT pg_advisory_unlock(hashtextextended('livetwin.retention', 0));
