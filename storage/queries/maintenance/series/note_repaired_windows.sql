-- Note repaired windows that are at most a span before the newest hour of their datastream.
-- aggregate_hour_key, backwards for one row; repaired_window_pkey.
INSERT INTO repaired_window (datastream_id, size, start)
SELECT %(datastream)s, size, start
FROM unnest(%(sizes)s::bigint[], %(starts)s::timestamptz[]) AS repaired (size, start)
WHERE start >= (SELECT max(start) FROM aggregate_hour WHERE datastream_id = %(datastream)s) - %(span)s::interval
ON CONFLICT DO NOTHING;
