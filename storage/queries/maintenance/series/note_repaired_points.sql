-- Note that the newest points of an entity are to be sent to the stream, if a changed one is not before its state.
-- property_state_pkey, once for each series; repaired_window_pkey.
INSERT INTO repaired_window (datastream_id, size, start)
SELECT %(datastream)s, 0, 'epoch'
WHERE EXISTS (
    SELECT
    FROM unnest(%(names)s::text[], %(times)s::timestamptz[]) AS changed (name, phenomenon_time)
    LEFT JOIN property_state AS state ON state.entity_id = %(entity)s
        AND state.property = changed.name
    WHERE state.entity_id IS NULL OR changed.phenomenon_time >= state.phenomenon_time
)
ON CONFLICT DO NOTHING;
