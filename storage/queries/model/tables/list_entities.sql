-- Every entity, active or not, by id.
-- entity_pkey gives the order; reads the whole table.
SELECT id, type, name, parent, geometry, attributes, relations, active FROM entity ORDER BY id;
