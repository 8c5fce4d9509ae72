-- The records of a partition that may contain messages received in a time range, in order; one spans at most an hour.
-- message_batch_key, in the chunks of the range.
SELECT log_id, log_offset, last_received, headers, datastreams, payloads
FROM message_batch
WHERE partition = %(partition)s
    AND first_received < %(end)s
    AND first_received > %(start)s::timestamptz - interval '1 hour'
    AND last_received >= %(start)s
ORDER BY first_received, log_id, log_offset;
