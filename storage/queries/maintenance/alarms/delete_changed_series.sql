-- Delete changes of series that were processed, unless others have followed meanwhile.
-- changed_series_pkey.
DELETE FROM changed_series
USING unnest(%(entities)s::text[], %(names)s::text[], %(changes)s::bigint[])
    AS done (entity_id, name, changes)
WHERE changed_series.entity_id = done.entity_id
    AND changed_series.name = done.name
    AND changed_series.changes = done.changes;
