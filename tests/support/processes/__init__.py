"""Roles and whole systems as processes, and the faults that tests inject into processes; no assertions."""
