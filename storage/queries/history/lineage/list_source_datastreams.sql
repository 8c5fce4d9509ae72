-- The datastreams that observe, or once observed, a property of an entity, with their sensors, by id.
-- datastream_by_entity_and_property and sensor_pkey.
SELECT datastream.id, datastream.sensor_id, sensor.personal
FROM datastream
JOIN sensor ON sensor.id = datastream.sensor_id
WHERE datastream.entity_id = %(entity)s AND datastream.property = %(property)s
ORDER BY datastream.id;
