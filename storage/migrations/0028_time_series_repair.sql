-- When a repair of a derived series was requested last, by the clock of the database: one whose windows are not
-- known to be stored, since none was emitted any more, is processed after a minute.
ALTER TABLE series_repair_request ADD COLUMN IF NOT EXISTS requested_at timestamptz NOT NULL DEFAULT now();
