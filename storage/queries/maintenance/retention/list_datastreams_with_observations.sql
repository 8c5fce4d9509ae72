-- Those of some datastreams with an observation from their own time on, and before an end.
-- observation_key, one step for each datastream.
SELECT asked.id
FROM unnest(%(datastreams)s::integer[], %(starts)s::timestamptz[]) AS asked (id, start)
WHERE EXISTS (
    SELECT FROM observation
    WHERE datastream_id = asked.id AND phenomenon_time >= asked.start AND phenomenon_time < %(end)s
)
ORDER BY asked.id;
