-- The sums of the whole ledger, the number of stored observations, and the number that retention removed.
-- No index: reads the ledger, and counts a table.
SELECT coalesce(sum(received), 0)::bigint, coalesce(sum(accepted), 0)::bigint,
    coalesce(sum(quarantined), 0)::bigint, coalesce(sum(observations), 0)::bigint,
    coalesce(sum(new), 0)::bigint, coalesce(sum(corrected), 0)::bigint, coalesce(sum(superseded), 0)::bigint,
    coalesce(sum(duplicate), 0)::bigint, coalesce(sum(replayed), 0)::bigint, coalesce(sum(resolved), 0)::bigint,
    (SELECT count(*) FROM observation), (SELECT observations FROM ledger_removed)
FROM ledger;
