"""What a text column can hold."""

from __future__ import annotations


def without_nul(text: str) -> str:
    """Return a text without NUL: a topic or a detail may carry one, PostgreSQL cannot."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")
