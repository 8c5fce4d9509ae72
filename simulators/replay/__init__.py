"""Recorded feeds, played through the production path: files in (`csv_file`, `json_lines`, `fews_pi`), one
sequence of messages in the order of time (`recording`), MQTT out with the recording's own timing (`player`).

`recordings` makes recordings with known truth, for tests.
"""
