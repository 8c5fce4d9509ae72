-- Aggregates of observations in buckets; every bucket that the range touches, with or without data.
-- observation_key, in the chunks that the range touches.
--
-- zone is 'UTC' for elapsed time: there a day has 24 hours, and no hour comes twice. A bucket is aggregated in
-- one part, or in a part a datastream whose values then add up. Percentiles cost a sort: where they are not
-- wanted, the FILTER leaves nothing to sort.
WITH edge AS (
    SELECT series.start,
        (series.start AT TIME ZONE %(zone)s + %(interval)s::interval) AT TIME ZONE %(zone)s AS stop
    FROM generate_series(
        time_bucket(%(interval)s::interval, %(start)s::timestamptz, %(zone)s),
        %(end)s::timestamptz - interval '1 microsecond', %(interval)s::interval, %(zone)s
    ) AS series (start)
), measured AS MATERIALIZED (
    SELECT time_bucket(%(interval)s::interval, phenomenon_time, %(zone)s) AS start,
        datastream_id, phenomenon_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
), part AS (
    SELECT start, bit_or(flags) AS flags,
        CASE WHEN %(circular)s THEN
            degrees(atan2(avg(sind(value)), avg(cosd(value))))
        ELSE avg(value) END AS mean,
        min(value) AS min, max(value) AS max, sum(value) AS sum,
        first(value, phenomenon_time) AS first, last(value, phenomenon_time) AS last,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FILTER (WHERE %(percentiles)s) AS p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY value) FILTER (WHERE %(percentiles)s) AS p95
    FROM measured
    GROUP BY start, CASE WHEN %(adds_up)s THEN datastream_id END
), whole AS (
    SELECT start, bit_or(flags) AS flags, sum(mean) AS mean, sum(min) AS min, sum(max) AS max, sum(sum) AS sum,
        sum(first) AS first, sum(last) AS last, sum(p50) AS p50, sum(p95) AS p95
    FROM part
    GROUP BY start
), received AS (
    SELECT start, datastream_id, count(*) AS count FROM measured GROUP BY start, datastream_id
), expected AS (
    -- What a datastream should have sent in the part of the bucket that was asked for: from when it was made
    -- known until it was retired, and wherever it has observations anyway.
    SELECT edge.start, coalesce(received.count, 0) AS count,
        extract(epoch FROM least(edge.stop, %(end)s) - greatest(edge.start, %(start)s))
            / nullif(extract(epoch FROM datastream.interval), 0) AS wanted
    FROM edge
    CROSS JOIN unnest(%(datastreams)s::integer[]) AS asked (id)
    LEFT JOIN datastream ON datastream.id = asked.id
    LEFT JOIN received ON received.start = edge.start AND received.datastream_id = asked.id
    WHERE received.count IS NOT NULL
        OR (datastream.created_at < edge.stop AND coalesce(datastream.retired_at > edge.start, true))
), covered AS (
    SELECT start, sum(count)::bigint AS count,
        (sum(least(count, wanted)) / nullif(sum(wanted), 0))::float8 AS coverage
    FROM expected
    GROUP BY start
)
SELECT edge.start, edge.stop, coalesce(covered.count, 0), covered.coverage, coalesce(whole.flags, 0),
    whole.mean, whole.min, whole.max, whole.sum, whole.first, whole.last, whole.p50, whole.p95
FROM edge
LEFT JOIN covered ON covered.start = edge.start
LEFT JOIN whole ON whole.start = edge.start
WHERE %(empty)s OR whole.start IS NOT NULL
ORDER BY edge.start;
