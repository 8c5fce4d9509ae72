-- The calibrations of datastreams as known now, or at a time, in the order of their starts.
-- datastream_pkey and calibration_by_sensor.
SELECT datastream.id, calibration.start, calibration."end", calibration.gain, calibration."offset"
FROM datastream
JOIN calibration ON calibration.sensor_id = datastream.sensor_id AND calibration.property = datastream.property
WHERE datastream.id = ANY(%(datastreams)s::integer[])
    AND CASE WHEN %(known_at)s::timestamptz IS NULL THEN calibration.retired_at IS NULL
        ELSE calibration.created_at <= %(known_at)s AND coalesce(calibration.retired_at > %(known_at)s, true)
    END
ORDER BY datastream.id, calibration.start, calibration.created_at;
