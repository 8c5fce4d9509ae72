-- Store the staged aggregates of one size where their revision is greater; ordered, so that writers do not deadlock.
-- aggregate_minute_key, aggregate_ten_minutes_key or aggregate_hour_key.
INSERT INTO {table} AS stored (
    start, revision, expected, minimum, maximum, mean, sum, first, last, datastream_id, count, suspect, flags,
    sketch
)
SELECT start, revision, expected, minimum, maximum, mean, sum, first, last, datastream_id, count, suspect,
    flags, sketch
FROM staged_aggregate
WHERE size = %s
ORDER BY datastream_id, start
ON CONFLICT (datastream_id, start) DO UPDATE
SET revision = excluded.revision, expected = excluded.expected, minimum = excluded.minimum,
    maximum = excluded.maximum, mean = excluded.mean, sum = excluded.sum, first = excluded.first,
    last = excluded.last, count = excluded.count, suspect = excluded.suspect, flags = excluded.flags,
    sketch = excluded.sketch
WHERE excluded.revision > stored.revision;
