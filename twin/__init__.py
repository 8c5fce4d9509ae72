"""The domain of LiveTwin, pure: no I/O, no clock, no framework.

The rooms: `model` (the city and the words for it), `state` (current values and windows), `quality`,
`privacy`, `wire` (records of the log), `alarms`, `indicators` and `backtest`. Nothing here reads a file, a
socket, a clock or a random number. Time is an argument, always as an `Instant` (see `twin.instant`).
"""
