-- Request to recompute what a maintenance window covers, or covered, in a time range; also of retired datastreams.
-- datastream_sensor_id_property_entity_id_key and entity_pkey; reads the entities once.
INSERT INTO recompute_request (sensor_id, property, start, "end", reason)
WITH RECURSIVE inside (id) AS (
    SELECT unnest(%(areas)s::text[])
    UNION
    SELECT entity.id FROM entity JOIN inside ON entity.parent = inside.id
)
SELECT DISTINCT sensor_id, property, %(start)s::timestamptz, %(end)s::timestamptz, 'correction'
FROM datastream
WHERE (
        sensor_id = ANY(%(sensors)s::text[])
        OR entity_id = ANY(%(entities)s::text[])
        OR entity_id IN (SELECT id FROM inside)
    )
    AND (cardinality(%(properties)s::text[]) = 0 OR property = ANY(%(properties)s::text[]))
    -- No stored observation is dated further ahead: ingest refuses it.
    AND %(start)s::timestamptz <= now() + interval '1 day'
ORDER BY sensor_id, property;
