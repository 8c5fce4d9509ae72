"""Checks of what is served against the rules that others publish for it."""
