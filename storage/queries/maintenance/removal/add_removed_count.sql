-- Add to the count of the observations that retention removed.
-- ledger_removed_pkey.
UPDATE ledger_removed SET observations = observations + %s;
