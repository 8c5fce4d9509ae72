-- Update stored observations: their time of reception, value and flags.
-- observation_key finds the key.
INSERT INTO observation AS stored (datastream_id, phenomenon_time, received_time, value, flags)
SELECT datastream_id, phenomenon_time, received_time, value, flags
FROM unnest(
    %s::integer[], %s::timestamptz[], %s::timestamptz[], %s::float8[], %s::smallint[]
) AS version (datastream_id, phenomenon_time, received_time, value, flags)
ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
SET received_time = excluded.received_time, value = excluded.value, flags = excluded.flags;
