-- Add counts to the ledger; ordered, so that two writers do not deadlock.
-- ledger_pkey.
INSERT INTO ledger AS stored (
    feed, minute, received, accepted, quarantined, observations, new, corrected, superseded, duplicate,
    replayed, resolved
)
SELECT feed, minute, received, accepted, quarantined, observations, new, corrected, superseded, duplicate,
    replayed, resolved
FROM unnest(
    %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]
) AS counted (
    feed, minute, received, accepted, quarantined, observations, new, corrected, superseded, duplicate,
    replayed, resolved
)
ORDER BY feed, minute
ON CONFLICT (feed, minute) DO UPDATE
SET received = stored.received + excluded.received, accepted = stored.accepted + excluded.accepted,
    quarantined = stored.quarantined + excluded.quarantined,
    observations = stored.observations + excluded.observations, new = stored.new + excluded.new,
    corrected = stored.corrected + excluded.corrected, superseded = stored.superseded + excluded.superseded,
    duplicate = stored.duplicate + excluded.duplicate, replayed = stored.replayed + excluded.replayed,
    resolved = stored.resolved + excluded.resolved;
