-- Keep others from storing observations until the transaction ends; readers go on.
-- No index: a lock.
LOCK TABLE observation IN SHARE ROW EXCLUSIVE MODE;
