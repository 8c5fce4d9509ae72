-- The last revision that the datastreams of each entity were told with: that of a household is told of nothing else.
-- No index: reads the whole tables, once a start.
SELECT datastream.entity_id, max(datastream_state.revision)
FROM datastream_state
JOIN datastream ON datastream.id = datastream_state.datastream_id
GROUP BY datastream.entity_id;
