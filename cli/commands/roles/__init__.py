"""The commands that run a role: one module each, named like the role, whose work is in its package."""
