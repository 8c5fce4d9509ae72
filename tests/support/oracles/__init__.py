"""Independent references that compute, slowly, what the product must produce; no product logic is reused."""
