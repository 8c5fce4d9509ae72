"""The tutorial works as written: its commands run in order, and they print what it shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.repository import ROOT
from tests.support.waiting import wait_until

TYPED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["packages"]
# The clients are elsewhere, and nobody needs them here.
PACKAGES = [package for package in TYPED if (ROOT / package).is_dir()]
READY_S_MAX = 120
COMMAND_S_MAX = 60
SHOWN_S_MAX = 60


class Step(NamedTuple):
    """A block of commands, and the lines that the tutorial shows of its output."""

    commands: str
    shown: tuple[str, ...]


def tutorial_steps() -> Iterator[Step]:
    """Yield the blocks of the tutorial in their order."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```\n(?:\n```output\n(.*?)```)?", text, re.DOTALL)
    for commands, output in blocks:
        if commands == "make setup\n":  # the tests run after it
            continue
        yield Step(commands, tuple(output.splitlines()))


class Terminal:
    """Runs the commands of the tutorial in a copy of the packages, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._up: subprocess.Popen[bytes] | None = None
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        program = folder / ".venv/bin/livetwin"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
        program.chmod(0o755)

    @property
    def ports(self) -> dict[str, int]:
        """Return the ports of the running system."""
        found: dict[str, int] = json.loads((self.folder / "my-ports.json").read_text())
        return found

    def _script(self, commands: str) -> str:
        if self._up is None:
            return commands
        publish = f'mosquitto_pub() {{ command mosquitto_pub -p {self.ports["mqtt"]} "$@"; }}\n'
        return publish + commands.replace("localhost:8080", f"localhost:{self.ports['http']}")

    def run(self, commands: str) -> str:
        """Run commands until they end; return what they printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._script(commands)],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run_until(self, step: Step) -> None:
        """Run the commands of a step again and again until they print what the tutorial shows."""
        outputs: list[str] = []

        def is_shown() -> bool:
            outputs.append(self.run(step.commands))
            return shows(outputs[-1], step.shown)

        wait_until(is_shown, lambda: f"{step.shown} is not in\n{outputs[-1]}", SHOWN_S_MAX)

    def start(self, commands: str) -> None:
        """Start the system, after the one before was stopped, and wait until it is ready."""
        self.stop()
        (self.folder / "my-ports.json").unlink(missing_ok=True)
        command = f"exec {commands.strip()} --port 0 --mqtt-port 0"
        self._up = subprocess.Popen(
            ["bash", "-c", command], cwd=self.folder, env=os.environ | {"PYTHONPATH": str(self.folder)}
        )
        ports = self.folder / "my-ports.json"
        wait_until(ports.exists, lambda: "the system did not become ready", READY_S_MAX)

    def stop(self) -> None:
        """Press Ctrl-C and wait for the end."""
        if self._up is not None:
            self._up.send_signal(signal.SIGINT)
            self._up.wait(COMMAND_S_MAX)
            self._up = None


def shows(output: str, shown: tuple[str, ...]) -> bool:
    """Whether each shown line stands in an output, whatever its white space."""
    squeezed = re.sub(r"\s+", "", output)
    return all(re.sub(r"\s+", "", line) in squeezed for line in shown)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.embedded
def test_the_tutorial_works_as_written(terminal: Terminal) -> None:
    for step in tutorial_steps():
        if "livetwin up" in step.commands:
            terminal.start(step.commands)
        elif step.shown:
            terminal.run_until(step)
        else:
            terminal.run(step.commands)
