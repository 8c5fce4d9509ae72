-- Prevent others from storing observations until the transaction ends; reading remains possible.
-- No index: a lock.
LOCK TABLE observation IN SHARE ROW EXCLUSIVE MODE;
