-- All maintenance that is not retired, by sensor and start.
-- maintenance_is_known gives the order; reads all of it.
SELECT sensor_id AS sensor, start, "end", note, true AS active
FROM maintenance
WHERE retired_at IS NULL
ORDER BY sensor_id, start;
