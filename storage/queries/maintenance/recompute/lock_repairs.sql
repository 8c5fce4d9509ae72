-- Take the lock of repairs for this session, unless another session has it.
-- No index: an advisory lock.
SELECT pg_try_advisory_lock(hashtextextended('livetwin.repairs', 0));
