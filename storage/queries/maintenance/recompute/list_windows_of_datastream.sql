-- The maintenance windows that cover a datastream, also a retired one, as known now, and the time zone of the city.
-- datastream_pkey, entity_pkey for each area around it, and maintenance_window_pkey; reads all versions.
WITH RECURSIVE around (id, parent) AS (
    SELECT entity.id, entity.parent
    FROM datastream
    JOIN entity ON entity.id = datastream.entity_id
    WHERE datastream.id = %(datastream)s
    UNION
    SELECT entity.id, entity.parent FROM entity JOIN around ON entity.id = around.parent
)
SELECT known.content::text, city.timezone
FROM (
    SELECT DISTINCT ON (id) id, content, deleted FROM maintenance_window ORDER BY id, version DESC
) AS known
CROSS JOIN city
JOIN datastream ON datastream.id = %(datastream)s
WHERE NOT known.deleted
    AND (
        known.content -> 'sensors' ? datastream.sensor_id
        OR known.content -> 'entities' ? datastream.entity_id
        OR known.content -> 'areas' ?| array(SELECT id FROM around)
    )
    AND (
        jsonb_array_length(known.content -> 'properties') = 0
        OR known.content -> 'properties' ? datastream.property
    )
ORDER BY known.id;
