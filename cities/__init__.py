"""City folders: a city as YAML data, read, cross-checked as a whole, and written back.

Here are the layout of the files, a reader that reports every fault with file and line, the export, and the
folder of the first city. Not here: the database, the clock, and the decoders.
"""

from __future__ import annotations

from pathlib import Path


def default_city() -> Path:
    """Return the folder of the city that LiveTwin contains."""
    return Path(__file__).parent / "alkmaar"
