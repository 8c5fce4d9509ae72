"""`livetwin` and `python -m cli`."""

from __future__ import annotations

import sys

from cli.command_line import run


def main() -> None:
    """Run the command line and exit: 0 fine, 1 it failed, 2 wrong usage."""
    sys.exit(run())


if __name__ == "__main__":
    main()
