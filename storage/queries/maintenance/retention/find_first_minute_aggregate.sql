-- The start of the first aggregate of one or ten minutes of a datastream before a time.
-- aggregate_minute_key and aggregate_ten_minutes_key.
SELECT least(
    (
        SELECT start FROM aggregate_minute WHERE datastream_id = %(datastream)s AND start < %(end)s
        ORDER BY start LIMIT 1
    ),
    (
        SELECT start FROM aggregate_ten_minutes WHERE datastream_id = %(datastream)s AND start < %(end)s
        ORDER BY start LIMIT 1
    )
);
