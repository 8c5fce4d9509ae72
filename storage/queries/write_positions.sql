-- Set positions in a log. They may go back: after the log lost its end, reading starts over.
-- log_position_pkey.
-- How far aggregates reach in the observations never goes back: a replay tells again of what is stored.
INSERT INTO log_position AS stored (log_id, topic, partition, next_offset)
SELECT %s, topic, partition, next_offset
FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS reached (topic, partition, next_offset)
ON CONFLICT (log_id, topic, partition) DO UPDATE
SET next_offset = CASE
        WHEN excluded.topic = 'aggregates of observations' THEN greatest(stored.next_offset, excluded.next_offset)
        ELSE excluded.next_offset
    END, updated_at = now();
