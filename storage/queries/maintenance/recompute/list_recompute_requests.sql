-- The oldest open recompute requests, with the datastreams that each affects, also retired ones.
-- recompute_request_is_open and datastream_sensor_id_property_entity_id_key.
SELECT request.id, request.start, request."end", request.requested_at,
    array(
        SELECT id FROM datastream
        WHERE sensor_id = request.sensor_id AND coalesce(property = request.property, true)
        ORDER BY id
    ) AS datastreams
FROM recompute_request AS request
WHERE request.done_at IS NULL
ORDER BY request.id
LIMIT %s;
