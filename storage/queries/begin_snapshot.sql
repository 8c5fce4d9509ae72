-- Make everything that this transaction reads belong to one moment; its first statement.
-- No index: a setting.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
