-- A request to compute series of areas again, if there is one.
-- No index: reads the whole small table.
SELECT entity_id FROM series_repair_request WHERE name LIKE 'area\_%' LIMIT 1;
