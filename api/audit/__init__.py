"""The audit log: who changed what through the API, and who read whose personal data."""
