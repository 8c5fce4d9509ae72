"""The commands of `livetwin`: one module each, named like the command, and imported only when it runs."""
