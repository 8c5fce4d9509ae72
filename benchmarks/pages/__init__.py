"""Measures the pages in a browser: their first load over a slow line, and one in a storm of values."""
