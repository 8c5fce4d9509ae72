-- Hours of each active datastream with a closed window after its last aggregate: the log that contained it is lost.
-- aggregate_minute_key (or the like) and observation_key, backwards for one row, then the range between.
-- Decided by the shortest windows of a datastream.
WITH last AS (
    SELECT datastream.id, interval '1 minute' AS size, made.start
    FROM datastream
    CROSS JOIN LATERAL (
        SELECT max(start) AS start FROM aggregate_minute WHERE datastream_id = datastream.id
    ) AS made
    WHERE datastream.active AND datastream.interval <= interval '1 minute'
    UNION ALL
    SELECT datastream.id, interval '10 minutes', made.start
    FROM datastream
    CROSS JOIN LATERAL (
        SELECT max(start) AS start FROM aggregate_ten_minutes WHERE datastream_id = datastream.id
    ) AS made
    WHERE datastream.active AND datastream.interval > interval '1 minute'
        AND datastream.interval <= interval '10 minutes'
    UNION ALL
    SELECT datastream.id, interval '1 hour', made.start
    FROM datastream
    CROSS JOIN LATERAL (
        SELECT max(start) AS start FROM aggregate_hour WHERE datastream_id = datastream.id
    ) AS made
    WHERE datastream.active AND datastream.interval > interval '10 minutes'
)
SELECT DISTINCT last.id, date_trunc('hour', observation.phenomenon_time, 'UTC') AS hour
FROM last
CROSS JOIN LATERAL (
    SELECT time_bucket(last.size, max(phenomenon_time)) AS start
    FROM observation
    WHERE datastream_id = last.id
) AS open
JOIN observation
    ON observation.datastream_id = last.id
    AND observation.phenomenon_time >= coalesce(last.start + last.size, '-infinity'::timestamptz)
    AND observation.phenomenon_time < open.start
ORDER BY 1, 2
LIMIT %(limit)s;
