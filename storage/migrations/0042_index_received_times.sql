-- The live stream plays observations in the order of reception. Rows lie in a chunk nearly in that order, so the
-- least and greatest time of each few pages find them: some kilobytes a day, where a B-tree would take 50 MB.
CREATE INDEX IF NOT EXISTS observation_by_reception
    ON observation USING brin (received_time) WITH (pages_per_range = 32, autosummarize = on);
