-- Store replaced versions of observations; of two with one time of reception, the greater (value, flags).
-- superseded_observation_key.
INSERT INTO superseded_observation AS stored (
    datastream_id, phenomenon_time, received_time, value, flags, superseded_time
)
SELECT DISTINCT ON (datastream_id, phenomenon_time, received_time)
    datastream_id, phenomenon_time, received_time, value, flags, superseded_time
FROM unnest(
    %s::integer[], %s::timestamptz[], %s::timestamptz[], %s::float8[], %s::smallint[], %s::timestamptz[]
) AS version (datastream_id, phenomenon_time, received_time, value, flags, superseded_time)
ORDER BY datastream_id, phenomenon_time, received_time, value DESC, flags DESC
ON CONFLICT (datastream_id, phenomenon_time, received_time) DO UPDATE
SET value = excluded.value, flags = excluded.flags
WHERE (excluded.value, excluded.flags) > (stored.value, stored.flags);
