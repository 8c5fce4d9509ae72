-- Delete the aggregates of a minute and of ten minutes of a datastream before a time.
-- aggregate_minute_key and aggregate_ten_minutes_key.
WITH minutes AS (
    DELETE FROM aggregate_minute WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
    RETURNING 1
), ten_minutes AS (
    DELETE FROM aggregate_ten_minutes
    WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
    RETURNING 1
)
SELECT (SELECT count(*) FROM minutes) + (SELECT count(*) FROM ten_minutes);
