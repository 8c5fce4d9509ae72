-- The newest aggregates of one size of each active datastream, a limited number of each.
-- aggregate_hour_key or aggregate_ten_minutes_key, read backwards for that many rows of each datastream.
SELECT newest.*
FROM datastream
CROSS JOIN LATERAL (
    SELECT datastream_id, start, revision, count, suspect, expected, flags, minimum, maximum, mean, sum, first,
        last, sketch
    FROM {table} AS stored
    WHERE stored.datastream_id = datastream.id
    ORDER BY start DESC
    LIMIT %(limit)s
) AS newest
WHERE datastream.active
ORDER BY newest.start, newest.datastream_id;
