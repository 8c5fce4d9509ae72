-- Stage aggregates; the size is in microseconds.
-- No index: an append.
COPY staged_aggregate (
    datastream_id, size, start, revision, count, suspect, expected, flags, minimum, maximum, mean, sum, first,
    last, sketch
)
FROM STDIN (FORMAT BINARY);
