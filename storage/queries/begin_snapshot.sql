-- Let all reads of this transaction see one moment; must be its first statement.
-- No index: a setting.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
