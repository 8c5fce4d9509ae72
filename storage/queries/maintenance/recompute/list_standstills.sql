-- Since when the values before a run are known, and the times without a change among them, by their start.
-- observation_key: the days before the run are one scan of it. Without such a time there is one row with NULL.
WITH first AS (
    SELECT coalesce(
        (
            SELECT phenomenon_time
            FROM observation
            WHERE datastream_id = %(datastream)s AND phenomenon_time <= %(earliest)s
            ORDER BY phenomenon_time DESC
            LIMIT 1
        ),
        (
            SELECT phenomenon_time
            FROM observation
            WHERE datastream_id = %(datastream)s AND phenomenon_time > %(earliest)s
            ORDER BY phenomenon_time
            LIMIT 1
        )
    ) AS time
), change AS (
    SELECT phenomenon_time, lead(phenomenon_time) OVER (ORDER BY phenomenon_time) AS next
    FROM (
        SELECT phenomenon_time, value, lag(value) OVER (ORDER BY phenomenon_time) AS before
        FROM observation
        WHERE datastream_id = %(datastream)s
            AND phenomenon_time >= (SELECT time FROM first)
            AND phenomenon_time <= %(start)s
    ) AS measured
    WHERE before IS DISTINCT FROM value
)
SELECT first.time, change.phenomenon_time, change.next
FROM first
LEFT JOIN change ON change.next - change.phenomenon_time > %(least)s * interval '1 microsecond'
ORDER BY change.phenomenon_time;
