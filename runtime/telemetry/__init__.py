"""What a role reports about itself: logs, metrics, traces; no measurement of the city."""
