"""Back-tests: what rules would have raised over stored history, by the live evaluator; no database."""
