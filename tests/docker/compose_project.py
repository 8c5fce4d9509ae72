"""Runs the compose file as a project with names, ports and secrets of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from cli.command_line import COMMANDS
from cli.embedded.ports import LOOPBACK, free_port
from tests.support.repository import ROOT
from tests.support.services.compose_file import run_name

ROLES = [name for name, summary in COMMANDS.items() if summary.startswith("Role:")]

# Images exist already; schema, city and health checks take time, more on a busy machine.
COMMAND_TIMEOUT_S = 300


class ComposeProject:
    """A project, controlled by `docker compose` as an operator would."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{run_name()}-{secrets.token_hex(4)}"
        self.secrets = folder / "secrets"
        self.http = f"http://{LOOPBACK}:{(http := free_port())}"
        self.mqtt = (LOOPBACK, free_port())
        self.mqtts = (LOOPBACK, free_port())
        self.prometheus = f"http://{LOOPBACK}:{(prometheus := free_port())}"
        self.alertmanager = f"http://{LOOPBACK}:{(alertmanager := free_port())}"
        self._environment = {
            **os.environ,
            "LIVETWIN_PROJECT": self.name,
            "LIVETWIN_SECRETS": str(self.secrets),
            "LIVETWIN_HTTP_BIND": f"{LOOPBACK}:{http}",
            "LIVETWIN_MQTT_BIND": f"{LOOPBACK}:{self.mqtt[1]}",
            "LIVETWIN_MQTTS_BIND": f"{LOOPBACK}:{self.mqtts[1]}",
            "LIVETWIN_PROMETHEUS_BIND": f"{LOOPBACK}:{prometheus}",
            "LIVETWIN_ALERTMANAGER_BIND": f"{LOOPBACK}:{alertmanager}",
        }

    def compose(self, *words: str) -> str:
        """Run `docker compose` with every profile enabled; return its output, fail with it on an error."""
        profiles = ["--profile=demo", "--profile=monitoring", "--profile=by-hand"]
        return self._run("docker", "compose", *profiles, *words)

    def make_secrets(self) -> dict[str, str]:
        """Create keys and broker accounts; return the passwords of devices."""
        self._run(str(ROOT / "deploy/make-secrets.sh"), str(self.secrets))
        printed = self.compose("run", "--rm", "--no-TTY", "credentials", "--simulator")
        return dict(line.split("\t") for line in printed.splitlines() if "\t" in line)

    def up(self) -> None:
        """Start services, roles and simulated devices; return when all are healthy."""
        try:
            self.compose("up", "--detach", "--no-build", "--wait", "simulate", *ROLES)
        except AssertionError as error:
            error.add_note(self.compose("ps", "--all") + self.compose("logs", "--no-color", "--tail", "20"))
            raise

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what `docker inspect` prints about a service's container."""
        identity = self.compose("ps", "--all", "--quiet", service).strip()
        found: list[dict[str, Any]] = json.loads(self._run("docker", "inspect", identity))
        return found[0]

    def health(self, service: str) -> str:
        """Return `healthy`, `starting` or `unhealthy`; for a container without health check its status."""
        state = self.inspect(service)["State"]
        return str(state["Health"]["Status"] if "Health" in state else state["Status"])

    def inside(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        return subprocess.run(
            ["docker", "compose", "exec", "--no-TTY", service, *command],
            cwd=ROOT,
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )

    def leftovers(self) -> list[str]:
        """Return the existing containers, volumes and networks of the project."""
        mine = f"--filter=label=com.docker.compose.project={self.name}"
        return [
            f"{kind} {name}"
            for kind, words in (("container", ["--all"]), ("volume", []), ("network", []))
            for name in self._run("docker", kind, "ls", *words, "--quiet", mine).split()
        ]

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout
