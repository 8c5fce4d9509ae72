-- The state of every property of every entity, by entity and property.
-- No index: reads the whole table, once at each start.
SELECT entity_id, property, revision, value, phenomenon_time, received_time, flags, datastream_ids, kind,
    last_good_value, last_good_time, deviating, count, members, members_expected, preliminary
FROM property_state
ORDER BY entity_id, property;
