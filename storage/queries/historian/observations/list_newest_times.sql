-- The time of the newest stored observation of datastreams, each from its own time on; no row without one.
-- observation_key, backwards, in the chunks from that time on.
SELECT asked.datastream_id, stored.phenomenon_time
FROM unnest(%s::integer[], %s::timestamptz[]) AS asked (datastream_id, since)
CROSS JOIN LATERAL (
    SELECT phenomenon_time
    FROM observation
    WHERE observation.datastream_id = asked.datastream_id AND observation.phenomenon_time >= asked.since
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS stored;
