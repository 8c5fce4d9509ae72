-- Move positions in a log from their expected values; a position with another value stays, and is not counted.
-- log_position_pkey.
-- Positions may go back: after a log has lost its end, reading starts over. The position that aggregates reach in
-- `observations` never goes back, since the stream then only repeats stored aggregates.
MERGE INTO log_position AS stored
USING (
    SELECT topic, partition, before, reached
    FROM unnest(%s::text[], %s::integer[], %s::bigint[], %s::bigint[]) AS one (topic, partition, before, reached)
    ORDER BY topic, partition
) AS moved
ON stored.log_id = %s AND stored.topic = moved.topic AND stored.partition = moved.partition
WHEN MATCHED AND stored.topic = 'aggregates of observations' THEN UPDATE SET
    next_offset = greatest(stored.next_offset, moved.reached), updated_at = now()
WHEN MATCHED AND stored.next_offset = moved.before THEN UPDATE SET
    next_offset = moved.reached, updated_at = now()
WHEN NOT MATCHED AND moved.before IS NULL THEN INSERT (log_id, topic, partition, next_offset)
VALUES (%s, moved.topic, moved.partition, moved.reached);
