-- The greatest revision of an amendment of each series.
-- No index: reads the whole small table, once at each start.
SELECT entity_id, name, revision FROM amended_series;
