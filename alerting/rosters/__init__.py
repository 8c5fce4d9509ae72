"""Rosters that the duty plan names by URL: downloads them, checks them, and stores the last valid copy."""
