"""Seeded experiments on the whole system: faults under load, then the balance of acknowledged messages."""
