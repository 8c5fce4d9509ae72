-- Set positions in a log. They may go back: after the log lost its end, reading starts over.
-- log_position_pkey.
INSERT INTO log_position (log_id, topic, partition, next_offset)
SELECT %s, topic, partition, next_offset
FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS reached (topic, partition, next_offset)
ON CONFLICT (log_id, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset, updated_at = now();
