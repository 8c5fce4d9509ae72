-- Request days of series of areas again, since values behind them have changed in storage.
-- series_repair_request_pkey.
INSERT INTO series_repair_request AS stored (log_id, entity_id, name, day, partition, log_offset)
SELECT DISTINCT '', entity_id, name, day, 0, -1
FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS asked (entity_id, name, day)
ON CONFLICT (entity_id, name, day) DO UPDATE SET requests = stored.requests + 1, requested_at = now();
