"""The log lines of a process: one a line, with time, role and level, to standard error."""

from __future__ import annotations

import logging

# What these libraries tell at INFO is their own business; their warnings are ours.
_CHATTY = ("aiokafka", "faust", "mode", "uvicorn.access", "asyncio", "httpx")


def configure_logging(role: str, level: str) -> None:
    """Send this process's log to standard error."""
    logging.basicConfig(
        level=level,
        format=f"%(asctime)s {role:<9} %(levelname)-7s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        force=True,
    )
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
