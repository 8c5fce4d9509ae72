-- The calibrations that held at a time, by sensor, property and start.
-- No index: reads all of them.
SELECT sensor_id AS sensor, property, start, "end", gain, "offset", note, true AS active
FROM calibration
WHERE created_at <= %(at)s AND (retired_at IS NULL OR retired_at > %(at)s)
ORDER BY sensor_id, property, start;
