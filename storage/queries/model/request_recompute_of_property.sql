-- Request to recompute all that sensors ever measured of a property, one request for each sensor.
-- No index: reads the datastreams once.
INSERT INTO recompute_request (sensor_id, property, start, reason)
SELECT DISTINCT sensor_id, property, %(start)s::timestamptz, %(reason)s
FROM datastream
WHERE property = %(property)s
ORDER BY sensor_id;
