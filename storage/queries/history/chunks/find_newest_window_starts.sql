-- The start of the newest stored window of one size, by datastream; no row without one.
-- aggregate_minute_key, aggregate_ten_minutes_key or aggregate_hour_key, backwards, once for each datastream.
SELECT asked.id, one.start
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT start FROM {table} WHERE datastream_id = asked.id ORDER BY start DESC LIMIT 1
) AS one;
