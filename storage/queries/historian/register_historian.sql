-- Register as a historian of a city until this session ends, or is idle for too long.
-- No index: a setting and an advisory lock, which any number of sessions hold at one time.
SELECT set_config('idle_session_timeout', %s, false),
    pg_advisory_lock_shared(hashtextextended('livetwin.historian ' || %s, 0));
