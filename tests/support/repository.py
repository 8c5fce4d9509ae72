"""Where the repository is: tests read its pages, units and configuration from here."""

from __future__ import annotations

from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists())
"""The folder that holds pyproject.toml."""
