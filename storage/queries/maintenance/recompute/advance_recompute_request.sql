-- Store until when a recompute request was processed, or that it is finished.
-- recompute_request_pkey.
UPDATE recompute_request
SET start = coalesce(%(start)s::timestamptz, start),
    began = coalesce(began, %(began)s::timestamptz),
    until = coalesce(until, %(until)s::timestamptz),
    done_at = CASE WHEN %(start)s::timestamptz IS NULL THEN now() END
WHERE id = %(id)s;
