-- Take the lock of retention for this session, unless another session has it.
-- No index: an advisory lock.
SELECT pg_try_advisory_lock(hashtextextended('livetwin.retention', 0));
