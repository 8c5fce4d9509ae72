-- Requests to repair hours whose observations are stored, oldest first, with the further ones of their datastreams.
-- No index: reads the whole small table. log_position_pkey.
--
-- An aggregate of the stream must not be recomputed from fewer observations than it was computed from: so the
-- observations must be stored up to the position in the log that the stored aggregates reach.
-- No more records of another log than the present one will be stored: its requests wait until the aggregates that the
-- present log has are of stored observations, too.
SELECT request.datastream_id, request.start, request.log_id, request.log_offset, request.requested_at
FROM repair_request AS request
LEFT JOIN log_position AS reached ON reached.log_id = request.log_id
    AND reached.topic = %(topic)s
    AND reached.partition = request.partition
LEFT JOIN log_position AS told ON told.log_id = request.log_id
    AND told.topic = %(told)s
    AND told.partition = request.partition
WHERE (reached.next_offset > request.log_offset AND reached.next_offset >= coalesce(told.next_offset, 0))
    OR (
        request.log_id <> (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1)
        AND NOT EXISTS (
            SELECT
            FROM log_position AS emitted
            LEFT JOIN log_position AS observed ON observed.log_id = emitted.log_id
                AND observed.topic = %(topic)s
                AND observed.partition = emitted.partition
            WHERE emitted.log_id = (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1)
                AND emitted.topic = %(told)s
                AND emitted.next_offset > coalesce(observed.next_offset, 0)
        )
    )
ORDER BY min(request.requested_at) OVER (PARTITION BY request.datastream_id), request.datastream_id, request.start
LIMIT %(limit)s;
