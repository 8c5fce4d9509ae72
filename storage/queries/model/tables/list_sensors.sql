-- Every sensor, active or not, by id; its interval in microseconds.
-- sensor_pkey gives the order; reads the whole table.
SELECT id, feed, device, entity_id AS entity, (extract(epoch FROM interval) * 1000000)::bigint AS interval,
    personal, gateway, power, register, active
FROM sensor
ORDER BY id;
