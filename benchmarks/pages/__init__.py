"""Measures the pages in a browser: their first load over a slow line, and an open one in a storm of values."""
