"""City folders: a city as data, read, cross-checked as a whole, and written back.

What lives here: the layout of the YAML files, the reading that tells every fault at once with file and line,
the export, and the folder of the first city. What may not: the database, the clock, knowledge of decoders.
"""

from __future__ import annotations

from pathlib import Path


def default_city() -> Path:
    """Return the folder of the city that comes with LiveTwin."""
    return Path(__file__).parent / "alkmaar"
