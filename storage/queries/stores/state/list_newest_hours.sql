-- The newest aggregates of an hour of each datastream in use, at most a number of each.
-- aggregate_hour_key, read backwards for so many rows a datastream.
SELECT newest.*
FROM datastream
CROSS JOIN LATERAL (
    SELECT datastream_id, start, revision, count, suspect, expected, flags, minimum, maximum, mean, sum, first,
        last, sketch
    FROM aggregate_hour
    WHERE aggregate_hour.datastream_id = datastream.id
    ORDER BY start DESC
    LIMIT %(limit)s
) AS newest
WHERE datastream.active
ORDER BY newest.start, newest.datastream_id;
