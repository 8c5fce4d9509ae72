-- The oldest open recompute requests, with the datastreams that each affects, also retired ones.
-- recompute_request_is_open and datastream_sensor_id_property_entity_id_key.
--
-- A change of the model requests what only its new version computes: none is ready for an earlier one.
SELECT request.id, request.start, request."end", request.requested_at,
    array(
        SELECT id FROM datastream
        WHERE sensor_id = request.sensor_id AND coalesce(property = request.property, true)
        ORDER BY id
    ) AS datastreams
FROM recompute_request AS request
WHERE request.done_at IS NULL
    AND NOT EXISTS (SELECT FROM city WHERE model_version > %(model_version)s)
ORDER BY request.id
LIMIT %(limit)s;
