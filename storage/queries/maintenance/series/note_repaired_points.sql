-- Note that the newest points of an entity are to be sent to the stream, if it may have others.
-- property_state_pkey, once for each series; entity_value_key, twice for each; repaired_window_pkey.
--
-- That is so where a changed point is not before the state, and where the state is not the newest point: it is
-- withdrawn or older while there is one, or it is a point that is withdrawn.
INSERT INTO repaired_window (datastream_id, size, start)
SELECT %(datastream)s, 0, 'epoch'
WHERE EXISTS (
    SELECT
    FROM unnest(%(names)s::text[], %(times)s::timestamptz[]) AS changed (name, phenomenon_time)
    LEFT JOIN property_state AS state ON state.entity_id = %(entity)s
        AND state.property = changed.name
    WHERE state.entity_id IS NULL OR changed.phenomenon_time >= state.phenomenon_time
) OR EXISTS (
    SELECT
    FROM property_state AS state
    LEFT JOIN LATERAL (
        SELECT phenomenon_time
        FROM entity_value
        WHERE entity_id = state.entity_id AND name = state.property AND value IS NOT NULL
        ORDER BY phenomenon_time DESC
        LIMIT 1
    ) AS newest ON true
    WHERE state.entity_id = %(entity)s
        AND state.property = ANY(%(repaired)s)
        AND CASE
            WHEN state.value = 'NaN' THEN newest.phenomenon_time IS NOT NULL
            ELSE newest.phenomenon_time > state.phenomenon_time OR EXISTS (
                SELECT FROM entity_value AS own
                WHERE own.entity_id = state.entity_id
                    AND own.name = state.property
                    AND own.phenomenon_time = state.phenomenon_time
                    AND own.value IS NULL
            )
        END
)
ON CONFLICT DO NOTHING;
