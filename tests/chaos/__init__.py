"""A seeded trial of the whole system: faults under load, then the balance of everything acknowledged."""
