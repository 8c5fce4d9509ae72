-- Sensors that the city folder no longer names, but meters of households, by id; their interval in microseconds.
-- sensor_pkey gives the order, datastream_sensor_id_property_entity_id_key the datastreams of each.
SELECT s.id, s.feed, s.device, s.entity_id, (extract(epoch FROM s.interval) * 1000000)::bigint, s.register,
    coalesce(array_agg(DISTINCT d.property) FILTER (WHERE d.property IS NOT NULL), '{}'),
    min(d.created_at), max(d.retired_at)
FROM sensor s
LEFT JOIN datastream d ON d.sensor_id = s.id
WHERE NOT s.active AND NOT s.personal AND (%(id)s::text IS NULL OR s.id = %(id)s)
GROUP BY s.id
ORDER BY s.id
LIMIT %(limit)s;
