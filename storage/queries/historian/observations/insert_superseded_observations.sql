-- Store replaced versions of observations; of two with one time of reception, the one that became known later.
-- superseded_observation_key.
INSERT INTO superseded_observation AS stored (
    datastream_id, phenomenon_time, received_time, value, flags, rank, superseded_time
)
SELECT DISTINCT ON (datastream_id, phenomenon_time, received_time)
    datastream_id, phenomenon_time, received_time, value, flags, rank, superseded_time
FROM unnest(
    %s::integer[], %s::timestamptz[], %s::timestamptz[], %s::float8[], %s::smallint[], %s::bigint[],
    %s::timestamptz[]
) AS version (datastream_id, phenomenon_time, received_time, value, flags, rank, superseded_time)
ORDER BY datastream_id, phenomenon_time, received_time, rank DESC, value DESC, flags DESC
ON CONFLICT (datastream_id, phenomenon_time, received_time) DO UPDATE
SET value = excluded.value, flags = excluded.flags, rank = excluded.rank
WHERE (excluded.rank, excluded.value, excluded.flags) > (stored.rank, stored.value, stored.flags);
