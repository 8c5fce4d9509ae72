-- The datastreams that ever observed a property of an entity, retired ones too, by id.
-- datastream_by_entity_and_property.
SELECT id FROM datastream WHERE entity_id = %s AND property = %s ORDER BY id;
