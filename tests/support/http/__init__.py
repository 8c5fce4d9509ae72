"""Checks of what the api answers."""
