-- Observations of some datastreams in a half-open range behind a place, oldest first: calibrated, with all flags.
-- observation_key, in the chunks that the range touches; assessment_key for each row of the answer.
--
-- The page is cut before the joins, so that they cost what the answer costs. Segments as in list_buckets.
WITH segment AS (
    SELECT *
    FROM unnest(
        %(segment_datastreams)s::integer[], %(segment_starts)s::timestamptz[],
        %(segment_ends)s::timestamptz[], %(gains)s::float8[], %(offsets)s::float8[],
        %(late_after)s::bigint[]
    ) AS one (datastream_id, start, stop, gain, "offset", late_after)
), page AS MATERIALIZED (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= greatest(%(start)s, %(after_time)s)
        AND phenomenon_time < %(end)s
        AND (phenomenon_time, datastream_id) > (%(after_time)s, %(after_datastream)s)
    ORDER BY phenomenon_time, datastream_id
    LIMIT %(limit)s
)
SELECT page.datastream_id, page.phenomenon_time, page.received_time,
    segment.gain * page.value + segment."offset",
    page.flags | coalesce(found.flags, 0::smallint) | CASE
        WHEN page.received_time > page.phenomenon_time + segment.late_after * interval '1 microsecond'
        THEN %(late)s::smallint
        WHEN page.received_time < page.phenomenon_time - %(skew_after)s * interval '1 microsecond'
        THEN %(skew)s::smallint
        ELSE 0::smallint
    END
FROM page
JOIN segment ON segment.datastream_id = page.datastream_id
    AND page.phenomenon_time >= segment.start
    AND page.phenomenon_time < segment.stop
LEFT JOIN assessment AS found ON found.datastream_id = page.datastream_id
    AND found.phenomenon_time = page.phenomenon_time
    AND found.phenomenon_time >= %(start)s
    AND found.phenomenon_time < %(end)s
ORDER BY page.phenomenon_time, page.datastream_id;
