-- Hours of each datastream in use, behind its last aggregate of an hour and before its newest observation's
-- hour, of which observations are stored: their windows were made, or not, by a log that is gone.
-- aggregate_hour_key and observation_key, backwards for one row a datastream, then the range between.
SELECT DISTINCT datastream.id, date_trunc('hour', observation.phenomenon_time, 'UTC') AS hour
FROM datastream
CROSS JOIN LATERAL (
    SELECT coalesce(max(start) + interval '1 hour', '-infinity'::timestamptz) AS until
    FROM aggregate_hour
    WHERE aggregate_hour.datastream_id = datastream.id
) AS made
CROSS JOIN LATERAL (
    SELECT date_trunc('hour', max(phenomenon_time), 'UTC') AS open
    FROM observation
    WHERE observation.datastream_id = datastream.id
) AS newest
JOIN observation
    ON observation.datastream_id = datastream.id
    AND observation.phenomenon_time >= made.until
    AND observation.phenomenon_time < newest.open
WHERE datastream.active
ORDER BY 1, 2
LIMIT %(limit)s;
