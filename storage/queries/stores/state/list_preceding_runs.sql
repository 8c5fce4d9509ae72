-- List the last observation before a time, the run of equal values that it ends and the usable value before it.
-- observation_key, read backwards over the run, but at most over `count` rows and one row before `duration`, and on
-- to a usable value, with assessment_key.
SELECT asked.id, last.phenomenon_time, last.value, last.flags, run.count, run.start, usable.phenomenon_time, usable.value
FROM unnest(
    %(datastreams)s::integer[], %(times)s::timestamptz[], %(counts)s::integer[], %(durations)s::bigint[]
) AS asked (id, time, count, duration)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, value, flags | coalesce((
        SELECT flags
        FROM assessment
        WHERE datastream_id = asked.id AND phenomenon_time = observation.phenomenon_time
    ), 0::smallint) AS flags
    FROM observation
    WHERE datastream_id = asked.id AND phenomenon_time < asked.time
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS last
CROSS JOIN LATERAL (
    SELECT least(
        (
            SELECT min(phenomenon_time)
            FROM (
                SELECT phenomenon_time
                FROM observation
                WHERE datastream_id = asked.id AND phenomenon_time < asked.time
                ORDER BY phenomenon_time DESC
                LIMIT asked.count
            ) AS newest
        ),
        coalesce(
            (
                SELECT phenomenon_time
                FROM observation
                WHERE datastream_id = asked.id
                    AND phenomenon_time <= last.phenomenon_time - asked.duration * interval '1 microsecond'
                ORDER BY phenomenon_time DESC
                LIMIT 1
            ),
            '-infinity'
        )
    ) AS start
) AS reach
LEFT JOIN LATERAL (
    SELECT phenomenon_time
    FROM observation
    WHERE datastream_id = asked.id
        AND phenomenon_time < last.phenomenon_time
        AND phenomenon_time >= reach.start
        AND value <> last.value
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS other ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(phenomenon_time) AS start
    FROM observation
    WHERE datastream_id = asked.id
        AND phenomenon_time <= last.phenomenon_time
        AND phenomenon_time >= reach.start
        AND phenomenon_time > coalesce(other.phenomenon_time, '-infinity')
) AS run
LEFT JOIN LATERAL (
    SELECT phenomenon_time, value
    FROM observation
    WHERE datastream_id = asked.id
        AND phenomenon_time < run.start
        AND phenomenon_time >= run.start - interval '31 days'
        AND (
            flags | coalesce((
                SELECT flags
                FROM assessment
                WHERE datastream_id = asked.id AND phenomenon_time = observation.phenomenon_time
            ), 0::smallint)
        ) & %(unusable)s = 0
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS usable ON true;
