-- The missing numbers of all runs of ingest, and how many of them are not in the last batch of their run.
-- No index: reads the whole small table.
SELECT coalesce(sum(upper(run) - lower(run)), 0)::bigint,
    coalesce(sum(greatest(0, least(upper(run), upper(sequences) - %(unconfirmed)s) - lower(run))), 0)::bigint
FROM ingest_session
CROSS JOIN unnest(int8multirange(int8range(0, upper(sequences))) - sequences) AS missing (run);
