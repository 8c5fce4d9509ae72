"""A step of a build that fails, or does not end, is an error that names its command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from release.artefacts import BuildError, run_step


def step(tmp_path: Path, program: str, timeout_s: float = 60) -> None:
    run_step([sys.executable, "-c", program], tmp_path, os.environ, timeout_s)


def test_a_step_that_fails_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"ended with 3:\nno page$"):
        step(tmp_path, "import sys; print('no page'); sys.exit(3)")


def test_a_step_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"signal.pause\(\) has not ended after 0.1 s; nothing was written"):
        step(tmp_path, "import signal; signal.pause()", 0.1)


def test_a_step_that_succeeds_is_none(tmp_path: Path) -> None:
    step(tmp_path, "open('done', 'w').close()")
    assert (tmp_path / "done").exists()
