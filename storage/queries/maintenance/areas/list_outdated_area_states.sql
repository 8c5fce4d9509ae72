-- The states of a name in areas that are no point of their series, and the newest point of each.
-- property_state_pkey, once for each area; entity_value_key, twice for each.
--
-- Those that are withdrawn while there is a point, those whose point is withdrawn, and those whose point was computed
-- again with another value or other members (0: all that counts has failed since, and the state says so). A point that
-- is no longer kept is no reason. The same sum may differ in the last digit, in another order.
SELECT state.entity_id, state.phenomenon_time, newest.phenomenon_time, newest.value, newest.flags, newest.count,
    newest.members
FROM property_state AS state
LEFT JOIN LATERAL (
    SELECT phenomenon_time, value, flags, count, members
    FROM entity_value
    WHERE entity_id = state.entity_id AND name = state.property AND value IS NOT NULL
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS newest ON true
WHERE state.entity_id = ANY(%(areas)s)
    AND state.property = %(name)s
    AND CASE
        WHEN state.value = 'NaN' THEN newest.value IS NOT NULL
        ELSE EXISTS (
            SELECT FROM entity_value AS own
            WHERE own.entity_id = state.entity_id
                AND own.name = state.property
                AND own.phenomenon_time = state.phenomenon_time
                AND own.value IS NULL
        ) OR (
            newest.phenomenon_time = state.phenomenon_time
            AND state.members > 0
            AND (
                newest.members <> state.members
                OR abs(newest.value - state.value) > 1e-12 * greatest(1, abs(newest.value))
            )
        )
    END;
