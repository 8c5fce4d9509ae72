"""The progress of `livetwin up` on the terminal: short lines with the duration of each step."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click


class TerminalProgress:
    """Writes lines to the terminal; to a pipe the same lines, flushed at once and without colours."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._loop.time() - self._start

    @property
    def is_terminal(self) -> bool:
        """Whether the lines go to a terminal, not to a file or a program."""
        return sys.stdout.isatty()

    def write_line(self, line: str) -> None:
        """Write a line; ignore a closed terminal, so that the shutdown still completes."""
        with suppress(OSError):
            click.echo(line)
            sys.stdout.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Report that a step is done, and its duration."""
        started = self._loop.time()
        yield
        duration = click.style(f"{self._loop.time() - started:.1f} s", dim=True)
        self.write_line(f"  {click.style('✓', fg='green')} {name} {duration}")
