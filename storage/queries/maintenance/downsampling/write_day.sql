-- Store a daily aggregate, which begins at midnight in the city's time zone; a later one replaces it.
-- aggregate_day_key.
INSERT INTO aggregate_day AS stored (
    datastream_id, start, revision, count, suspect, expected, flags, minimum, maximum, mean, sum, first, last,
    sketch
)
VALUES (
    %(datastream)s, %(start)s, %(revision)s, %(count)s, %(suspect)s, %(expected)s, %(flags)s, %(minimum)s,
    %(maximum)s, %(mean)s, %(sum)s, %(first)s, %(last)s, %(sketch)s
)
ON CONFLICT (datastream_id, start) DO UPDATE
SET revision = excluded.revision, count = excluded.count, suspect = excluded.suspect,
    expected = excluded.expected, flags = excluded.flags, minimum = excluded.minimum,
    maximum = excluded.maximum, mean = excluded.mean, sum = excluded.sum, first = excluded.first,
    last = excluded.last, sketch = excluded.sketch
WHERE excluded.count + excluded.suspect >= stored.count + stored.suspect;
