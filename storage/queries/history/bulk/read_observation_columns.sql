-- Observations behind a position in a half-open range, as known at a time: each column as the bytes of its values.
-- observation_key and superseded_observation_key, in the chunks that the range touches; assessment_key.
--
-- What list_observations returns of page_known_at, for any number of datastreams of any properties. A column is one
-- value, which costs the client nothing for each row. Rows are in the order of the ordered sub-select. Only
-- calibrated datastreams have segments; removed_to is the time before which retention has removed rows of any.
WITH asked AS (
    SELECT *
    FROM unnest(
        %(datastreams)s::integer[], %(late_after)s::bigint[], %(skew_after)s::bigint[]
    ) AS one (datastream_id, late_after, skew_after)
), segment AS (
    SELECT *
    FROM unnest(
        %(segment_datastreams)s::integer[], %(segment_starts)s::timestamptz[],
        %(segment_ends)s::timestamptz[], %(gains)s::float8[], %(offsets)s::float8[]
    ) AS one (datastream_id, start, stop, gain, "offset")
), {rows}
SELECT count(*),
    string_agg(int4send(datastream_id), ''::bytea),
    string_agg(timestamptz_send(phenomenon_time), ''::bytea),
    string_agg(timestamptz_send(received_time), ''::bytea),
    string_agg(float8send(value), ''::bytea),
    string_agg(int2send(flags), ''::bytea),
    (SELECT max(raw_from) FROM datastream_retention WHERE datastream_id = ANY(%(datastreams)s::integer[]))
FROM (
    SELECT page.datastream_id, page.phenomenon_time, page.received_time,
        coalesce(segment.gain, 1) * page.value + coalesce(segment."offset", 0) AS value,
        page.flags | coalesce(assessment.flags, 0::smallint) | CASE
            WHEN page.received_time > page.phenomenon_time + asked.late_after * interval '1 microsecond'
            THEN %(late)s::smallint
            WHEN page.received_time < page.phenomenon_time - asked.skew_after * interval '1 microsecond'
            THEN %(skew)s::smallint
            ELSE 0::smallint
        END AS flags
    FROM page
    JOIN asked ON asked.datastream_id = page.datastream_id
    LEFT JOIN segment ON segment.datastream_id = page.datastream_id
        AND page.phenomenon_time >= segment.start
        AND page.phenomenon_time < segment.stop
    LEFT JOIN assessment ON assessment.datastream_id = page.datastream_id
        AND assessment.phenomenon_time = page.phenomenon_time
        AND assessment.phenomenon_time >= greatest(%(start)s, %(after_time)s)
        AND assessment.phenomenon_time < %(end)s
        AND assessment.revision <= (extract(epoch FROM %(known_at)s::timestamptz) * 1000000)::bigint
    ORDER BY page.phenomenon_time, page.datastream_id
) AS ready;
