-- Delete requests that were processed, unless they were repeated in the meantime.
-- series_repair_request_pkey.
DELETE FROM series_repair_request AS request
USING unnest(%s::text[], %s::text[], %s::timestamptz[], %s::bigint[]) AS done (entity_id, name, day, requests)
WHERE request.entity_id = done.entity_id
    AND request.name = done.name
    AND request.day = done.day
    AND request.requests = done.requests;
