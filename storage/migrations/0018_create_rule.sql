-- What carries a sensor: ids of entities, empty where not known. No reference: a gateway may be described later.
ALTER TABLE sensor ADD COLUMN IF NOT EXISTS gateway text NOT NULL DEFAULT '';
ALTER TABLE sensor ADD COLUMN IF NOT EXISTS power text NOT NULL DEFAULT '';

-- The rules of alarms, each with all the versions that it ever had. Nothing is changed or removed; the newest
-- version is what holds. Alarms name the version that raised them.
CREATE TABLE IF NOT EXISTS rule (
    id            text NOT NULL,
    version       integer NOT NULL,                 -- counts from 1; rises with every change of the content
    content       jsonb NOT NULL,                   -- `twin.alarms.rule.encode_rule`
    deleted       boolean NOT NULL,                 -- then the content is what it was last
    origin        text NOT NULL,                    -- folder, api
    changed_by    text NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    model_version bigint NOT NULL,                  -- the first that has it
    -- What the city folder said last, when this was the newest version; empty: nothing. What was changed here is
    -- kept until the folder itself says something else.
    folder_digest text NOT NULL,
    PRIMARY KEY (id, version)
);
