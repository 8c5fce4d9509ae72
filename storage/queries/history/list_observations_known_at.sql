-- A page of observations as list_observations has it, as they were known at a time.
-- observation_key and superseded_observation_key, in the chunks that the range touches; assessment_key for each row of the answer.
--
-- Of versions and judgements see list_buckets_known_at.
WITH segment AS (
    SELECT *
    FROM unnest(
        %(segment_datastreams)s::integer[], %(segment_starts)s::timestamptz[],
        %(segment_ends)s::timestamptz[], %(gains)s::float8[], %(offsets)s::float8[],
        %(late_after)s::bigint[]
    ) AS one (datastream_id, start, stop, gain, "offset", late_after)
), stored AS (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= greatest(%(start)s, %(after_time)s)
        AND phenomenon_time < %(end)s
        AND (phenomenon_time, datastream_id) > (%(after_time)s, %(after_datastream)s)
        AND received_time <= %(known_at)s
    UNION ALL
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM superseded_observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= greatest(%(start)s, %(after_time)s)
        AND phenomenon_time < %(end)s
        AND (phenomenon_time, datastream_id) > (%(after_time)s, %(after_datastream)s)
        AND received_time <= %(known_at)s
        AND superseded_time > %(known_at)s
), page AS MATERIALIZED (
    SELECT DISTINCT ON (phenomenon_time, datastream_id)
        datastream_id, phenomenon_time, received_time, value, flags
    FROM stored
    ORDER BY phenomenon_time, datastream_id, received_time DESC
    LIMIT %(limit)s
)
SELECT page.datastream_id, page.phenomenon_time, page.received_time,
    segment.gain * page.value + segment."offset",
    page.flags | coalesce((
        SELECT flags
        FROM assessment
        WHERE datastream_id = page.datastream_id
            AND phenomenon_time = page.phenomenon_time
            AND revision <= (extract(epoch FROM %(known_at)s::timestamptz) * 1000000)::bigint
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
