"""`livetwin` and `python -m cli`."""

from __future__ import annotations

import sys

from cli.command_line import run


def main() -> None:
    """Run the command line and exit with 0 (success), 1 (failure) or 2 (wrong usage)."""
    sys.exit(run())


if __name__ == "__main__":
    main()
