-- Maintenance windows of the city folder and of the API, each with all the versions that it ever had. Nothing is
-- changed or removed; the newest version is what holds. What a window covers is resolved when it is read.
CREATE TABLE IF NOT EXISTS maintenance_window (
    id            text NOT NULL,
    version       integer NOT NULL,                 -- counts from 1; rises with every change of the content
    content       jsonb NOT NULL,                   -- `twin.model.maintenance_window.encode_window`
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
