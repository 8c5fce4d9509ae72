-- Add to the number of observations that retention removed.
-- ledger_removed_pkey.
UPDATE ledger_removed SET observations = observations + %s;
