"""Folders that the accounts of services can reach."""

from __future__ import annotations

import tempfile
from pathlib import Path


def make_service_folder() -> Path:
    """Create a folder that service accounts can reach; pytest's tmp_path is accessible to its owner only."""
    folder = Path(tempfile.mkdtemp(prefix="livetwin-test-"))
    folder.chmod(0o755)
    return folder
