-- The stored assessments of a datastream in a half-open range.
-- assessment_key.
SELECT phenomenon_time, flags, revision
FROM assessment
WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s;
