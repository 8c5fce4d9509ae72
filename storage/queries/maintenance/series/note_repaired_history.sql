-- Note that what the stream knows of the past of a datastream is to be sent to it, with its newest window.
-- aggregate_hour_key, backwards for one row; repaired_window_pkey.
INSERT INTO repaired_window (datastream_id, size, start)
SELECT datastream_id, %(size)s, start
FROM aggregate_hour
WHERE datastream_id = %(datastream)s
ORDER BY start DESC
LIMIT 1
ON CONFLICT DO NOTHING;
