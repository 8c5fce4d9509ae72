"""Folders that the accounts of services can reach."""

from __future__ import annotations

import tempfile
from pathlib import Path


def make_service_folder() -> Path:
    """Make a folder that service accounts can reach; pytest's own tmp_path admits its owner only."""
    folder = Path(tempfile.mkdtemp(prefix="livetwin-test-"))
    folder.chmod(0o755)
    return folder
