-- Requests to compute days of derived series of entities again whose inputs are stored, by entity and day.
-- No index: reads the whole small table. log_position_pkey.
--
-- A value of the stream must not be computed again from fewer observations than it was computed from, nor without
-- the windows that were emitted with the request. Requests of another log than the present one are ready, too.
SELECT request.entity_id, request.name, request.day, request.requests
FROM series_repair_request AS request
LEFT JOIN log_position AS observed ON observed.log_id = request.log_id
    AND observed.topic = %(topic)s
    AND observed.partition = request.partition
LEFT JOIN log_position AS windows ON windows.log_id = request.log_id
    AND windows.topic = %(windows)s
    AND windows.partition = request.partition
LEFT JOIN log_position AS updates ON updates.log_id = request.log_id
    AND updates.topic = %(updates)s
    AND updates.partition = request.partition
WHERE request.name NOT LIKE 'area\_%%'
    AND NOT EXISTS (SELECT FROM city WHERE model_version > %(model_version)s)
    AND (
        request.log_id = ''
        OR request.log_id <> coalesce((SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1), '')
        OR (
            observed.next_offset > request.log_offset
            AND observed.next_offset >= coalesce(windows.next_offset, 0)
            AND observed.next_offset >= coalesce(updates.next_offset, 0)
            AND (
                windows.next_offset > request.log_offset
                OR request.requested_at < now() - interval '1 minute'
            )
        )
    )
ORDER BY request.entity_id, request.day
LIMIT %(limit)s;
