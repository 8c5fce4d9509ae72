-- Requests to compute days of derived series of entities again whose inputs are stored, by entity and day.
-- No index: reads the whole small table. log_position_pkey.
--
-- A value of the stream must not be computed again from less than it was computed from: observations must be stored
-- up to the position that the stored windows and assessments reach, and these up to that of the stored derived values.
-- A request of a log waits for what was emitted with it; any other one waits for all partitions of the present log.
-- Where a repair has changed windows, the values that the stream computed from them before may not be stored yet: they
-- would replace those of the repair. So they are awaited, up to the offset of the request, or until no more come.
WITH present AS (
    SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1
), progress AS (
    SELECT log_id, partition,
        coalesce(max(next_offset) FILTER (WHERE topic = %(topic)s), 0) AS observations,
        coalesce(max(next_offset) FILTER (WHERE topic = %(windows)s), 0) AS windows,
        coalesce(max(next_offset) FILTER (WHERE topic = %(updates)s), 0) AS updates,
        coalesce(max(updated_at) FILTER (WHERE topic = %(updates_topic)s), '-infinity') AS updated_at
    FROM log_position
    JOIN present USING (log_id)
    GROUP BY log_id, partition
)
SELECT request.entity_id, request.name, request.day, request.requests
FROM series_repair_request AS request
LEFT JOIN progress ON progress.log_id = request.log_id AND progress.partition = request.partition
WHERE request.name NOT LIKE 'area\_%%'
    AND NOT EXISTS (SELECT FROM city WHERE model_version > %(model_version)s)
    AND CASE
        WHEN request.log_id IN (SELECT log_id FROM present)
            THEN progress.observations >= progress.windows
                AND progress.windows >= greatest(progress.updates, request.log_offset + 1)
        ELSE NOT EXISTS (
            SELECT FROM progress AS one
            WHERE one.observations < one.windows
                OR one.windows < one.updates
                OR (
                    one.updates < least(one.windows, request.log_offset + 1)
                    AND greatest(one.updated_at, request.requested_at) > now() - interval '10 seconds'
                )
        )
    END
ORDER BY request.entity_id, request.day
LIMIT %(limit)s;
