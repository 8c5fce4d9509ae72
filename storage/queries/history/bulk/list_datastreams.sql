-- The datastreams that observe, or once observed, some properties by some sensors, by id; null stands for all.
-- No index: all datastreams and sensors, of which a city has some thousands.
SELECT datastream.id, datastream.sensor_id, sensor.personal, datastream.entity_id, datastream.property
FROM datastream
JOIN sensor ON sensor.id = datastream.sensor_id
WHERE (%(properties)s::text[] IS NULL OR datastream.property = ANY(%(properties)s::text[]))
    AND (%(sensors)s::text[] IS NULL OR datastream.sensor_id = ANY(%(sensors)s::text[]))
    AND (%(last)s::integer IS NULL OR datastream.id <= %(last)s::integer)
ORDER BY datastream.id;
