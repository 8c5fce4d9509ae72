-- Observations of datastreams in a half-open range behind a position, oldest first: calibrated, with all flags.
-- observation_key, in the chunks that the range touches; assessment_key for each row of the page.
--
-- The page is cut before anything is joined to it, so that the cost follows the size of the answer. Segments and
-- assessments are those of list_buckets.
WITH segment AS (
    SELECT *
    FROM unnest(
        %(segment_datastreams)s::integer[], %(segment_starts)s::timestamptz[],
        %(segment_ends)s::timestamptz[], %(gains)s::float8[], %(offsets)s::float8[],
        %(late_after)s::bigint[]
    ) AS one (datastream_id, start, stop, gain, "offset", late_after)
), {rows}
SELECT page.datastream_id, page.phenomenon_time, page.received_time,
    segment.gain * page.value + segment."offset",
    page.flags | coalesce((
        SELECT flags
        FROM assessment
        WHERE datastream_id = page.datastream_id
            AND phenomenon_time = page.phenomenon_time
            AND (
                %(known_at)s::timestamptz IS NULL
                OR revision <= (extract(epoch FROM %(known_at)s::timestamptz) * 1000000)::bigint
            )
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
