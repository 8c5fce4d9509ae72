-- The greatest revision of the aggregates of a datastream in a half-open range; 0 without aggregates.
-- aggregate_minute_key, aggregate_ten_minutes_key and aggregate_hour_key.
SELECT coalesce(greatest(
    (
        SELECT max(revision) FROM aggregate_minute
        WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
    ),
    (
        SELECT max(revision) FROM aggregate_ten_minutes
        WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
    ),
    (
        SELECT max(revision) FROM aggregate_hour
        WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
    )
), 0);
