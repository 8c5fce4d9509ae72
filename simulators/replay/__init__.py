"""Replay recorded feeds over MQTT: read files, order their messages by time, publish them in that timing.

`csv_file`, `json_lines` and `fews_pi` read files, `recording` orders their messages, `player` publishes them.
`sample_recordings` generates files with known true values. No decoder may live here.
"""
