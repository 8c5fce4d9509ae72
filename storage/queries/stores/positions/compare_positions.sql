-- Whether a log is the one that is being stored, and is stored up to these positions.
-- log_position_pkey.
SELECT
    coalesce((SELECT log_id FROM log_position ORDER BY updated_at DESC LIMIT 1) = %(log_id)s, false),
    NOT EXISTS (
        SELECT FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[])
            AS wanted (topic, partition, next_offset)
        LEFT JOIN log_position AS stored ON stored.log_id = %(log_id)s
            AND stored.topic = wanted.topic
            AND stored.partition = wanted.partition
        WHERE coalesce(stored.next_offset, 0) < wanted.next_offset
    );
