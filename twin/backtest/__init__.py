"""Rules over history: the evaluator of alarms, fed from what is stored instead of from the log."""
