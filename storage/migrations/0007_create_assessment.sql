-- What judgement found of an observation beyond what the device said; only where it found something, or had.
-- flags 0 says that it finds nothing any more: the row stays, so that an older judgement does not come back.
CREATE TABLE IF NOT EXISTS assessment (
    phenomenon_time timestamptz NOT NULL,
    revision        bigint NOT NULL,                -- log time of the judgement, microseconds
    datastream_id   integer NOT NULL,
    flags           smallint NOT NULL               -- without those that follow from the times
);

-- A question asks for it beside the observations of its range. One observation in a hundred makes 150,000 rows
-- a week where 0003 counts 2.2 million observations a day.
SELECT create_hypertable(
    'assessment', by_range('phenomenon_time', INTERVAL '7 days'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
CREATE UNIQUE INDEX IF NOT EXISTS assessment_key ON assessment (datastream_id, phenomenon_time);
