-- When series of areas were last requested to be computed again; null without a request.
-- No index: reads the whole small table.
SELECT max(requested_at) FROM series_repair_request WHERE name LIKE 'area\_%';
