-- Requests to repair alarms, the oldest first, and whether the log is stored as far as they need it.
-- No index: reads the whole small table. log_position_pkey.
--
-- Without a last revision it is not known yet how far the log must be stored. No more records of another log than the
-- present one will be stored: its requests are ready. As for areas, observations must be stored up to the position that
-- the stored windows and assessments reach, and these up to that of the stored derived values and states.
WITH progress AS (
    SELECT partition,
        coalesce(max(next_offset) FILTER (WHERE topic = %(topic)s), 0) AS observations,
        coalesce(max(next_offset) FILTER (WHERE topic = %(windows)s), 0) AS windows,
        coalesce(max(next_offset) FILTER (WHERE topic = %(derived)s), 0) AS derived
    FROM log_position
    WHERE log_id = (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1)
    GROUP BY partition
)
SELECT request.rule, request.entity_id, request.start, request.requests,
    CASE WHEN request.positions IS NOT NULL THEN request.last_revision END AS last_revision,
    (NOT EXISTS (
        SELECT 1
        FROM jsonb_each_text(request.positions) AS needed (place, next_offset)
        LEFT JOIN log_position AS reached ON reached.log_id = request.log_id
            AND reached.topic || '/' || reached.partition = needed.place
        WHERE coalesce(reached.next_offset, 0) < needed.next_offset::bigint
    ) OR request.log_id <> (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1))
    AND NOT EXISTS (SELECT FROM progress WHERE observations < windows OR windows < derived) AS is_ready,
    request.has_changes
FROM alarm_repair_request AS request
ORDER BY request.requested_at, request.rule, request.entity_id
LIMIT %(limit)s;
