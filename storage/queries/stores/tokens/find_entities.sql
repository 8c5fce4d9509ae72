-- Those of some ids that are entities of the present model.
-- entity_pkey.
SELECT id FROM entity WHERE id = ANY(%(ids)s) AND active;
