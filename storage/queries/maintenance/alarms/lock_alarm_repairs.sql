-- Take the lock of repairs of alarms for this session, unless another session has it.
-- No index: an advisory lock.
SELECT pg_try_advisory_lock(hashtextextended('livetwin.alarm_repairs', 0));
