-- Start and end of each bucket that a range touches.
-- No index: reads no table.
--
-- zone is 'UTC' for elapsed time, where each day has 24 hours and no hour occurs twice.
SELECT series.start,
    (series.start AT TIME ZONE %(zone)s + %(interval)s::interval) AT TIME ZONE %(zone)s AS stop
FROM generate_series(
    time_bucket(%(interval)s::interval, %(start)s::timestamptz, %(zone)s),
    %(end)s::timestamptz - interval '1 microsecond', %(interval)s::interval, %(zone)s
) AS series (start);
