-- Those of some runs of message numbers of a session that were counted before; locks the session.
-- ingest_session_pkey.
WITH stored AS (
    SELECT sequences FROM ingest_session WHERE session = %s FOR UPDATE
), told AS (
    SELECT range_agg(int8range(start, stop)) AS sequences FROM unnest(%s::bigint[], %s::bigint[]) AS run (start, stop)
)
SELECT lower(known.run), upper(known.run)
FROM stored CROSS JOIN told CROSS JOIN unnest(stored.sequences * told.sequences) AS known (run);
