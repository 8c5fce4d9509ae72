-- Whether a request joins one for points that were changed in storage. What the alarm stage has of them may then be
-- wrong, also what is newer than its own request. It is not known of requests that were made before.
ALTER TABLE alarm_repair_request ADD COLUMN IF NOT EXISTS has_changes boolean NOT NULL DEFAULT true;
ALTER TABLE alarm_repair_request ALTER COLUMN has_changes SET DEFAULT false;
