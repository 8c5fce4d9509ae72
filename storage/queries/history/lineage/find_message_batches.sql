-- The records of a partition that may contain a message received at a time; a record spans at most an hour.
-- message_batch_key, in the one or two chunks of that hour.
SELECT log_id, log_offset, headers, datastreams, payloads
FROM message_batch
WHERE partition = %(partition)s
    AND first_received <= %(received)s
    AND first_received > %(received)s::timestamptz - interval '1 hour'
    AND last_received >= %(received)s
ORDER BY first_received DESC, log_id, log_offset;
