-- Rows of the ledger of a half-open range of minutes, oldest first; feed narrows them where it is given.
-- ledger_by_minute, or ledger_pkey for one feed.
SELECT feed, minute, received, accepted, quarantined, observations, new, corrected, superseded, duplicate,
    replayed, resolved
FROM ledger
WHERE minute >= %(start)s AND minute < %(end)s AND (%(feed)s::text IS NULL OR feed = %(feed)s)
ORDER BY minute, feed
LIMIT %(limit)s;
