-- The rank orders values of one key and one time of reception by when they became known
-- (twin.model.observation.order_of_knowledge). Only repetitions and played recordings have one, so here it is null
-- for 0: the null bitmap has room in the row, and a live observation takes 56 bytes as before.
ALTER TABLE observation ADD COLUMN IF NOT EXISTS rank bigint;
ALTER TABLE superseded_observation ADD COLUMN IF NOT EXISTS rank bigint NOT NULL DEFAULT 0;

-- A replay of a quarantined message keeps the rank.
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS rank bigint;
