-- Create or change an entity.
-- entity_pkey.
INSERT INTO entity (id, type, name, parent, geometry, attributes, relations, active)
VALUES (
    %(id)s, %(type)s, %(name)s, %(parent)s,
    %(geometry)s::jsonb, %(attributes)s::jsonb, %(relations)s::jsonb, %(active)s
)
ON CONFLICT (id) DO UPDATE
SET type = excluded.type, name = excluded.name, parent = excluded.parent, geometry = excluded.geometry,
    attributes = excluded.attributes, relations = excluded.relations, active = excluded.active;
