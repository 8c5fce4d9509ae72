-- Sort and hash in memory, and in one process: a parallel worker costs more to start than most answers take.
-- No index: settings of this transaction.
SELECT set_config('work_mem', '32MB', true), set_config('max_parallel_workers_per_gather', '0', true);
