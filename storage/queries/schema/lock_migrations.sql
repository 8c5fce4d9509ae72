-- Wait until no other process migrates this database; held until the connection ends.
-- No index: an advisory lock.
SELECT pg_advisory_lock(hashtextextended('livetwin.migrate', 0));
