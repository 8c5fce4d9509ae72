-- Store assessments whose revision is greater than the stored one.
-- assessment_key.
INSERT INTO assessment AS stored (datastream_id, phenomenon_time, flags, revision)
SELECT datastream_id, phenomenon_time, flags, revision
FROM unnest(%s::integer[], %s::timestamptz[], %s::smallint[], %s::bigint[])
    AS told (datastream_id, phenomenon_time, flags, revision)
ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
SET flags = excluded.flags, revision = excluded.revision
WHERE excluded.revision > stored.revision;
