"""Maintenance windows: routes and documents. Reading and checking a window belongs to cities."""
