-- The next offset of each partition of a topic that is not stored yet, in the log that is stored now.
-- log_position_pkey.
SELECT partition, next_offset
FROM log_position
WHERE topic = %(topic)s
    AND log_id = (SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1);
