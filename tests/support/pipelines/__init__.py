"""Real parts of the product connected in memory and in virtual time; no service and no second process."""
