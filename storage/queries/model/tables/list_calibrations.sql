-- Every calibration that is not retired, by sensor, property and start.
-- calibration_is_known gives the order; reads all of them.
SELECT sensor_id AS sensor, property, start, "end", gain, "offset", note, true AS active
FROM calibration
WHERE retired_at IS NULL
ORDER BY sensor_id, property, start;
