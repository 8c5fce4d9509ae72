-- Sort and hash in memory and without parallel workers, whose start takes longer than most queries.
-- No index: settings of this transaction.
SELECT set_config('work_mem', '32MB', true), set_config('max_parallel_workers_per_gather', '0', true);
