-- Every datastream, active or not, by id; its interval in microseconds.
-- datastream_pkey gives the order; reads the whole table.
SELECT id, sensor_id AS sensor, entity_id AS entity, property, field, unit, scale, "offset",
    (extract(epoch FROM interval) * 1000000)::bigint AS interval, valid_when, active
FROM datastream
ORDER BY id;
