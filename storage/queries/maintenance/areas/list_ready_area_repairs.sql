-- Requests to compute days of series of areas again, when nothing below them waits, by name, day and area.
-- No index: reads the whole small table. log_position_pkey.
--
-- The historian may store an observation later than the update that requests a repair because of it: ten seconds
-- are longer than it takes, and a request with an offset waits for that. A repair of entities may have changed values
-- that the stream has not yet rolled up: its older result, with a greater revision, must not come after the repair.
-- While the historian stores many updates, that takes longer than ten seconds: a minute. As for entities, observations
-- must be stored up to the position that the stored windows reach, and these up to that of the stored derived values.
-- An area is requested on its own partition. The values of entities that it was requested for are on those of the
-- entities, which may be stored much later: who reads this waits until all is stored that is on the log now.
WITH progress AS (
    SELECT partition,
        coalesce(max(next_offset) FILTER (WHERE topic = %(topic)s), 0) AS observations,
        coalesce(max(next_offset) FILTER (WHERE topic = %(windows)s), 0) AS windows,
        coalesce(max(next_offset) FILTER (WHERE topic = %(derived)s), 0) AS derived
    FROM log_position
    WHERE log_id = (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1)
    GROUP BY partition
)
SELECT request.entity_id, request.name, request.day, request.requests
FROM series_repair_request AS request
LEFT JOIN log_position AS observed ON observed.log_id = request.log_id
    AND observed.topic = %(topic)s
    AND observed.partition = request.partition
WHERE request.name LIKE 'area\_%%'
    AND NOT EXISTS (SELECT FROM city WHERE model_version > %(model_version)s)
    AND NOT EXISTS (SELECT FROM progress WHERE observations < windows OR windows < derived)
    AND (
        (
            request.log_id <> ''
            AND request.log_id <> coalesce((SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1), '')
        )
        OR (
            request.requested_at < now() - interval '10 seconds'
            AND (
                request.requested_at < now() - interval '1 minute'
                OR NOT EXISTS (
                    SELECT FROM log_position AS stored
                    WHERE stored.topic = %(updates)s AND stored.updated_at > now() - interval '5 seconds'
                )
            )
            AND (request.log_id = '' OR request.log_offset < 0 OR observed.next_offset > request.log_offset)
        )
    )
ORDER BY request.name, request.day, request.entity_id
LIMIT %(limit)s;
