"""A Docker engine for one command: a running one, or a new one that is stopped. Scripts replace Docker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.process.procfs import is_alive
from tests.support.repository import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]

# `docker` answers while a file is there; `dockerd` makes it when it is started as the machine can, and lives.
DOCKER = '[ -e "$HERE/answers" ] && echo 26.1, overlay2'
DOCKERD = """\
echo "$*" >>"$HERE/tried"
case " $* " in
  *" $WORKS "*)
    trap 'rm "$HERE/answers"; kill $!; exit' TERM
    sleep 60 &
    echo $$ >"$HERE/pid"
    touch "$HERE/answers"
    wait
    ;;
esac
echo "level=info msg=starting"
echo "failed to start daemon: this machine has no such thing"
exit 1
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the script as root; an engine starts only with `works` in its options."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"docker": DOCKER, "dockerd": DOCKERD, "id": "echo 0"}.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)

    def with_docker(*command: str, works: str = "never") -> subprocess.CompletedProcess[str]:
        path = f"{programs}:{os.environ['PATH']}"
        return subprocess.run(
            [ROOT / "deploy/with-docker.sh", *command],
            env={**os.environ, "PATH": path, "HERE": str(tmp_path), "WORKS": works},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return with_docker


def test_a_running_engine_is_used_and_not_stopped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "answers").touch()
    done = run("sh", "-c", "echo started: $STARTED_ENGINE; exit 3")
    assert done.returncode == 3
    assert done.stdout == "started:\n"
    assert "using the running engine: 26.1" in done.stderr
    assert not (tmp_path / "tried").exists()


def test_an_engine_is_started_with_options_that_work_and_stopped_afterwards(run: Run, tmp_path: Path) -> None:
    done = run("sh", "-c", "echo started: $STARTED_ENGINE; exit 4", works="--iptables=false")
    assert done.returncode == 4, done.stderr
    assert done.stdout == "started: yes\n"
    assert len((tmp_path / "tried").read_text().splitlines()) == 2
    assert "does not start: failed to start daemon: this machine has no such thing" in done.stderr
    assert "started an engine with --iptables=false --ip6tables=false" in done.stderr
    assert not (tmp_path / "answers").exists()
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_the_error_without_an_engine_lists_the_attempts(run: Run, tmp_path: Path) -> None:
    done = run("sh", "-c", "echo never")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("does not start") == 4
    assert "error: no engine can be started on this machine" in done.stderr
