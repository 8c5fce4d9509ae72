"""What `livetwin up` tells while it works: short lines with the time each step took."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click


class TerminalProgress:
    """Lines on the terminal; to a pipe the same lines, at once and without colours."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._loop.time() - self._start

    def write_line(self, line: str) -> None:
        """Write a line; a terminal that went away must not keep us from ending what we started."""
        with suppress(OSError):
            click.echo(line)
            sys.stdout.flush()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tell that a step was done, and how long it took."""
        began = self._loop.time()
        yield
        self.write_line(f"  {click.style('✓', fg='green')} {what} {click.style(self._took(began), dim=True)}")

    def _took(self, began: float) -> str:
        return f"{self._loop.time() - began:.1f} s"
