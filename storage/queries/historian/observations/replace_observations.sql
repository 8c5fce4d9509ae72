-- Update stored observations: their time of reception, value, flags and rank.
-- observation_key finds the key.
INSERT INTO observation AS stored (datastream_id, phenomenon_time, received_time, value, flags, rank)
SELECT datastream_id, phenomenon_time, received_time, value, flags, nullif(rank, 0)
FROM unnest(
    %s::integer[], %s::timestamptz[], %s::timestamptz[], %s::float8[], %s::smallint[], %s::bigint[]
) AS version (datastream_id, phenomenon_time, received_time, value, flags, rank)
ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
SET received_time = excluded.received_time, value = excluded.value, flags = excluded.flags,
    rank = excluded.rank;
