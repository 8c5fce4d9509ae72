-- Store the numbers of messages that arrived in a session of ingest.
-- ingest_session_pkey.
INSERT INTO ingest_session AS stored (session, sequences, first_received, last_received)
SELECT %s, range_agg(int8range(start, stop)), %s, %s
FROM unnest(%s::bigint[], %s::bigint[]) AS run (start, stop)
ON CONFLICT (session) DO UPDATE
SET sequences = stored.sequences + excluded.sequences,
    first_received = least(stored.first_received, excluded.first_received),
    last_received = greatest(stored.last_received, excluded.last_received);
