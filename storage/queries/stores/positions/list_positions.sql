-- The stored positions in one log.
-- log_position_pkey.
SELECT topic, partition, next_offset FROM log_position WHERE log_id = %s;
