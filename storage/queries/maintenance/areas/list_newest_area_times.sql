-- The phenomenon times of the states of a name in areas.
-- property_state_pkey, once for each area.
SELECT entity_id, phenomenon_time
FROM property_state
WHERE entity_id = ANY(%(areas)s) AND property = %(name)s;
