-- The time of the newest stored observation of datastreams; no row without one.
-- observation_key, backwards, once for each datastream.
SELECT asked.id, one.phenomenon_time, one.received_time
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, received_time
    FROM observation
    WHERE datastream_id = asked.id
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS one;
