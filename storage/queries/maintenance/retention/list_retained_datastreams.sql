-- Every datastream, also retired ones, with what determines its retention, by id.
-- datastream_pkey gives the order; reads the whole table.
SELECT datastream.id, datastream.property, sensor.personal, kept.complete_to
FROM datastream
JOIN sensor ON sensor.id = datastream.sensor_id
LEFT JOIN datastream_retention AS kept ON kept.datastream_id = datastream.id
ORDER BY datastream.id;
