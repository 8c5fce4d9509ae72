-- The state of every property of every entity, by entity and property.
-- No index: reads the whole table, once a start.
SELECT entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids
FROM property_state
ORDER BY entity_id, property;
