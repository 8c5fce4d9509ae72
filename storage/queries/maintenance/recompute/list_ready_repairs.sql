-- Requests for hours to be made again whose observations are stored, the oldest first, with their datastreams'.
-- No index: reads the whole small table. log_position_pkey.
--
-- What the stream has told of later observations must not be made again from fewer of them: as far as stored
-- aggregates reach in the log, its observations must be stored.
-- A request of another log than the one that is followed now is ready: nothing of that log is still to come.
SELECT request.datastream_id, request.start, request.log_id, request.log_offset, request.requested_at
FROM repair_request AS request
LEFT JOIN log_position AS reached ON reached.log_id = request.log_id
    AND reached.topic = %(topic)s
    AND reached.partition = request.partition
LEFT JOIN log_position AS told ON told.log_id = request.log_id
    AND told.topic = %(told)s
    AND told.partition = request.partition
WHERE (reached.next_offset > request.log_offset AND reached.next_offset >= coalesce(told.next_offset, 0))
    OR request.log_id <> (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1)
ORDER BY request.requested_at, request.datastream_id, request.start
LIMIT %(limit)s;
