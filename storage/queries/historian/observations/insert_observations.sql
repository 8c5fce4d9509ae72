-- Store the staged observations with new keys; return those with known keys, with what is stored.
-- observation_key finds the key.
-- Conflicts are few: the statement enforces an index lookup for each, since the planner has no statistics of the
-- staging table. A key that another writer has just stored is returned without a stored version.
WITH inserted AS (
    INSERT INTO observation (phenomenon_time, received_time, value, datastream_id, flags, rank)
    SELECT phenomenon_time, received_time, value, datastream_id, flags, nullif(rank, 0)
    FROM staged_observation
    ON CONFLICT (datastream_id, phenomenon_time) DO NOTHING
    RETURNING datastream_id, phenomenon_time
)
SELECT conflict.datastream_id, conflict.phenomenon_time, stored.received_time, stored.value, stored.flags,
    coalesce(stored.rank, 0)
FROM (
    SELECT staged.datastream_id, staged.phenomenon_time
    FROM staged_observation AS staged
    LEFT JOIN inserted USING (datastream_id, phenomenon_time)
    WHERE inserted.datastream_id IS NULL
) AS conflict
LEFT JOIN LATERAL (
    SELECT received_time, value, flags, rank
    FROM observation
    WHERE observation.datastream_id = conflict.datastream_id
        AND observation.phenomenon_time = conflict.phenomenon_time
    LIMIT 1
) AS stored ON true;
