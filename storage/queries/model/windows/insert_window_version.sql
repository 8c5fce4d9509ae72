-- Store a version of a maintenance window; without a name, it was changed by the connected database user.
-- No index: an append.
INSERT INTO maintenance_window (id, version, content, deleted, origin, changed_by, model_version, folder_digest)
VALUES (
    %(id)s, %(version)s, %(content)s::jsonb, %(deleted)s, %(origin)s,
    coalesce(%(changed_by)s, session_user), %(model_version)s, %(folder_digest)s
);
