-- The phenomenon times of the states of areas.
-- property_state_pkey, once for each area and name.
SELECT entity_id, property, phenomenon_time
FROM property_state
WHERE entity_id = ANY(%(areas)s) AND property = ANY(%(names)s);
