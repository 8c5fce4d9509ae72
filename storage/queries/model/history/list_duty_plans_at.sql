-- The duty plan that held at a time, if there was one.
-- No index: reads all of them.
SELECT city_id AS city, plan, true AS active
FROM duty_plan
WHERE created_at <= %(at)s AND (retired_at IS NULL OR retired_at > %(at)s);
