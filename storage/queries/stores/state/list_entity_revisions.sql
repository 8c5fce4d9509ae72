-- The last revision of the datastreams of each entity; households have no other state.
-- No index: reads the whole tables, once at each start.
SELECT datastream.entity_id, max(datastream_state.revision)
FROM datastream_state
JOIN datastream ON datastream.id = datastream_state.datastream_id
GROUP BY datastream.entity_id;
