"""The commands of `livetwin`, one module each, named like the command; only the one asked for is loaded."""
