-- The newest changes of the model that made values be computed again: requests, finished ones, share, and time reached.
-- No index: reads the whole table, of one row for each sensor of a change.
SELECT requested_at, reason, coalesce(property, ''), count(*), count(done_at),
    avg(CASE
        WHEN done_at IS NOT NULL THEN 1.0
        WHEN began IS NULL OR until <= began THEN 0.0
        ELSE least(1.0, extract(epoch FROM start - began)::float8 / extract(epoch FROM until - began)::float8)
    END)::float8,
    CASE WHEN count(*) = count(done_at) THEN max(done_at) END
FROM recompute_request
GROUP BY requested_at, reason, coalesce(property, '')
ORDER BY requested_at DESC, 2, 3
LIMIT %(limit)s;
