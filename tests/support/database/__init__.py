"""The historian, and rows that it would have written; the databases themselves come from services."""
