-- The number of historians of a city before this one in the order of their sessions, and the number of all.
-- No index: reads the locks.
SELECT count(*) FILTER (WHERE pid < pg_backend_pid()), count(*)
FROM pg_locks
WHERE locktype = 'advisory'
    AND mode = 'ShareLock'
    AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = hashtextextended('livetwin.historian ' || %s, 0);
