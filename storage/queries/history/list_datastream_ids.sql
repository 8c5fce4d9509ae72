-- The datastreams that observe, or once observed, a property of an entity, by id.
-- datastream_by_entity_and_property.
SELECT id FROM datastream WHERE entity_id = %s AND property = %s ORDER BY id;
