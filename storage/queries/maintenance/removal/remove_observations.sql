-- Delete the observations of a datastream in a half-open range, with their assessments and versions; count them.
-- observation_key, assessment_key and superseded_observation_key.
WITH observed AS (
    DELETE FROM observation
    WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s
    RETURNING 1
), assessed AS (
    DELETE FROM assessment
    WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s
), superseded AS (
    DELETE FROM superseded_observation
    WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s
)
SELECT count(*) FROM observed;
