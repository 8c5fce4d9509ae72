-- The time of the first observation of some datastreams in a half-open range, or NULL.
-- observation_key, one step for each datastream.
SELECT min(first.phenomenon_time)
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT phenomenon_time
    FROM observation
    WHERE datastream_id = asked.id AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s
    ORDER BY phenomenon_time
    LIMIT 1
) AS first;
