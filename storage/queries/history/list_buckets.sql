-- Aggregates of observations in buckets, in any order: of all datastreams together, or of each one (`apart`).
-- observation_key and assessment_key, in the chunks that the range touches; see versions_now and versions_known_at.
--
-- Only requested sums are computed. Single values come as bytes, each a float8 in network byte order. A segment is
-- the part of a datastream's range in which one calibration applies. Values with an unusable flag are counted
-- separately. The flags "late" and "clock skew" follow from the two times of an observation. Only the newest
-- assessment is stored: an assessment made after `known_at` is ignored.
WITH segment AS (
    SELECT *
    FROM unnest(
        %(segment_datastreams)s::integer[], %(segment_starts)s::timestamptz[],
        %(segment_ends)s::timestamptz[], %(gains)s::float8[], %(offsets)s::float8[],
        %(late_after)s::bigint[]
    ) AS one (datastream_id, start, stop, gain, "offset", late_after)
), {rows}, found AS (
    SELECT datastream_id, phenomenon_time, flags
    FROM assessment
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND (
            %(known_at)s::timestamptz IS NULL
            OR revision <= (extract(epoch FROM %(known_at)s::timestamptz) * 1000000)::bigint
        )
), judged AS (
    SELECT version.datastream_id, version.phenomenon_time,
        segment.gain * version.value + segment."offset" AS value,
        version.flags | coalesce(found.flags, 0::smallint) | CASE
            WHEN version.received_time
                > version.phenomenon_time + segment.late_after * interval '1 microsecond'
            THEN %(late)s::smallint
            WHEN version.received_time < version.phenomenon_time - %(skew_after)s * interval '1 microsecond'
            THEN %(skew)s::smallint
            ELSE 0::smallint
        END AS flags
    FROM version
    JOIN segment ON segment.datastream_id = version.datastream_id
        AND version.phenomenon_time >= segment.start
        AND version.phenomenon_time < segment.stop
    LEFT JOIN found ON found.datastream_id = version.datastream_id
        AND found.phenomenon_time = version.phenomenon_time
), measured AS (
    SELECT datastream_id, phenomenon_time, flags,
        CASE WHEN flags & %(unusable)s::smallint = 0 THEN value END AS value,
        CASE WHEN %(zone)s = 'UTC' THEN time_bucket(%(interval)s::interval, phenomenon_time)
            ELSE time_bucket(%(interval)s::interval, phenomenon_time, %(zone)s)
        END AS start
    FROM judged
), part AS (
    SELECT start, datastream_id, count(value) AS count, count(*) - count(value) AS suspect,
        bit_or(flags) AS flags, sum(value) FILTER (WHERE %(totals)s) AS total,
        min(value) FILTER (WHERE %(extremes)s) AS minimum, max(value) FILTER (WHERE %(extremes)s) AS maximum,
        first(value, phenomenon_time) FILTER (WHERE %(ends)s AND value IS NOT NULL) AS first,
        last(value, phenomenon_time) FILTER (WHERE %(ends)s AND value IS NOT NULL) AS last,
        sum(sind(value)) FILTER (WHERE %(circular)s) AS sine,
        sum(cosd(value)) FILTER (WHERE %(circular)s) AS cosine,
        string_agg(float8send(value), '') FILTER (WHERE %(percentiles)s AND value IS NOT NULL) AS values
    FROM measured
    GROUP BY start, datastream_id
)
SELECT start, CASE WHEN %(apart)s THEN datastream_id ELSE 0 END AS series,
    array_agg(datastream_id), array_agg(count), sum(suspect)::bigint, bit_or(flags),
    sum(total), min(minimum), max(maximum),
    first(first, datastream_id) FILTER (WHERE count > 0), last(last, datastream_id) FILTER (WHERE count > 0),
    sum(sine), sum(cosine), string_agg(values, ''),
    NULL::float8 AS increase, NULL::bytea AS sketches, 0 AS sketch_count
FROM part
GROUP BY start, series;
