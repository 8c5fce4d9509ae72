-- Observations of some datastreams in a half-open range behind a place, oldest first: calibrated, with all flags.
-- observation_key, in the chunks that the range touches; assessment_key for each row of the answer.
--
-- The page is cut before anything is joined to it, so that this costs what the answer costs; before that, the
-- same is done for each datastream, which the index has in order. Segments as in list_buckets.
WITH segment AS (
    SELECT *
    FROM unnest(
        %(segment_datastreams)s::integer[], %(segment_starts)s::timestamptz[],
        %(segment_ends)s::timestamptz[], %(gains)s::float8[], %(offsets)s::float8[],
        %(late_after)s::bigint[]
    ) AS one (datastream_id, start, stop, gain, "offset", late_after)
), page AS MATERIALIZED (
    SELECT first.*
    FROM unnest(%(datastreams)s::integer[]) AS asked (id)
    CROSS JOIN LATERAL (
        SELECT datastream_id, phenomenon_time, received_time, value, flags
        FROM observation
        WHERE datastream_id = asked.id
            AND phenomenon_time >= %(start)s
            AND phenomenon_time >= %(after_time)s
            AND phenomenon_time < %(end)s
            AND (phenomenon_time > %(after_time)s OR datastream_id > %(after_datastream)s)
        ORDER BY phenomenon_time
        LIMIT %(limit)s
    ) AS first
    ORDER BY phenomenon_time, datastream_id
    LIMIT %(limit)s
)
SELECT page.datastream_id, page.phenomenon_time, page.received_time,
    segment.gain * page.value + segment."offset",
    page.flags | coalesce((
        SELECT flags
        FROM assessment
        WHERE datastream_id = page.datastream_id
            AND phenomenon_time = page.phenomenon_time
    ), 0::smallint) | CASE
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
ORDER BY page.phenomenon_time, page.datastream_id;
