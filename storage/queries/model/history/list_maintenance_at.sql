-- The maintenance that was known at a time, by sensor and start.
-- No index: reads all of it.
SELECT sensor_id AS sensor, start, "end", note, true AS active
FROM maintenance
WHERE created_at <= %(at)s AND (retired_at IS NULL OR retired_at > %(at)s)
ORDER BY sensor_id, start;
