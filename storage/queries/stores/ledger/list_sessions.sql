-- The runs of ingest, most recently active first: used numbers, counted numbers and missing numbers.
-- No index: reads the whole small table.
SELECT session, first_received, last_received, lower(seen), upper(seen) - 1,
    (SELECT sum(upper(run) - lower(run))::bigint FROM unnest(seen) AS run),
    (
        SELECT coalesce(sum(upper(run) - lower(run)), 0)::bigint
        FROM unnest(missing * int8multirange(int8range(0, greatest(0, upper(seen) - %(unconfirmed)s)))) AS run
    ),
    ARRAY(SELECT lower(run) FROM unnest(missing) AS run ORDER BY run LIMIT %(holes)s),
    ARRAY(SELECT upper(run) FROM unnest(missing) AS run ORDER BY run LIMIT %(holes)s)
FROM (
    SELECT session, first_received, last_received, sequences AS seen,
        int8multirange(int8range(0, upper(sequences))) - sequences AS missing
    FROM ingest_session
) AS run_of_ingest
ORDER BY last_received DESC, session
LIMIT %(limit)s;
