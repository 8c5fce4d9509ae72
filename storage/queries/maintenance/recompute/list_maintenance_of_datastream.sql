-- The times of maintenance of a datastream's sensor, as known now.
-- datastream_pkey and maintenance_by_sensor.
SELECT maintenance.start, maintenance."end"
FROM datastream
JOIN maintenance ON maintenance.sensor_id = datastream.sensor_id
WHERE datastream.id = %s AND maintenance.retired_at IS NULL
ORDER BY maintenance.start;
