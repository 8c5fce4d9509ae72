"""Stored history on the live stream, before its changes; how observations are read is in storage."""
