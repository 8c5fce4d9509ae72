-- Flags of assessments of datastreams in a half-open range, in any order; in the form of list_observations_packed.
-- assessment_key.
SELECT datastream_id,
    string_agg(timestamptz_send(phenomenon_time), ''::bytea),
    string_agg(int2send(flags), ''::bytea)
FROM assessment
WHERE datastream_id = ANY(%(datastreams)s::integer[])
    AND phenomenon_time >= %(start)s
    AND phenomenon_time < %(end)s
GROUP BY datastream_id;
