-- Merge the staged observations: of two values for one key the greater (received, value, flags) stays.
-- observation_key finds the key.
-- Returns how many keys are new (xmax is 0 in a row that was inserted) and how many values were corrected.
WITH merged AS (
    INSERT INTO observation AS stored (phenomenon_time, received_time, value, datastream_id, flags)
    SELECT phenomenon_time, received_time, value, datastream_id, flags
    FROM staged_observation
    ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
    SET received_time = excluded.received_time, value = excluded.value, flags = excluded.flags
    WHERE (excluded.received_time, excluded.value, excluded.flags)
        > (stored.received_time, stored.value, stored.flags)
        AND (excluded.value, excluded.flags) <> (stored.value, stored.flags)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged;
