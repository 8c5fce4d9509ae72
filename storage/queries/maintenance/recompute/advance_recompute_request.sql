-- Remember how far a request to compute again has been worked off, or that it is done.
-- recompute_request_pkey.
UPDATE recompute_request
SET start = coalesce(%(start)s::timestamptz, start),
    done_at = CASE WHEN %(start)s::timestamptz IS NULL THEN now() END
WHERE id = %(id)s;
