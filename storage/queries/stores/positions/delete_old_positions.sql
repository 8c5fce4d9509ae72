-- Delete the positions of other logs that have not moved for a month.
-- No index: reads the whole small table, once at each start.
DELETE FROM log_position WHERE log_id <> %s AND updated_at < now() - interval '30 days';
