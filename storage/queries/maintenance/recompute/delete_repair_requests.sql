-- Delete requests that were processed, unless they have changed in the meantime.
-- repair_request_pkey.
DELETE FROM repair_request
USING unnest(%s::integer[], %s::timestamptz[], %s::text[], %s::bigint[])
    AS done (datastream_id, start, log_id, log_offset)
WHERE repair_request.datastream_id = done.datastream_id
    AND repair_request.start = done.start
    AND repair_request.log_id = done.log_id
    AND repair_request.log_offset = done.log_offset;
