"""Apache Kafka as docker-compose.yml configures it, on loopback: the program of KAFKA_HOME, no container.

The settings are those of the service `kafka`, translated by the program of the official image that does it
there; only ports, paths and the host name differ. Secrets are those of deploy/make-secrets.sh.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from cli.embedded.ports import free_port
from cli.process.child_process import ChildProcess
from tests.support.repository import ROOT
from tests.support.services.compose_file import VARIABLE, compose_file

HOME_VARIABLE = "KAFKA_HOME"
SECRETS = "/run/secrets/"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
_PAUSE_S = 0.1

# Sessions in tests are shorter than Kafka's least, and the 50 partitions of groups take time to create.
_FOR_TESTS = {"KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000", "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4"}
_JAVA = ("-Xms128m", "-Xmx400m", "-XX:+UseG1GC", "-Djava.awt.headless=true")


def _libraries() -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    folder = Path(home) / "libs" if home else None
    return folder if folder is not None and any(folder.glob("kafka_*.jar")) else None


needs_apache_kafka = pytest.mark.skipif(
    _libraries() is None or shutil.which("java") is None,
    reason=f"no Apache Kafka: {HOME_VARIABLE} names no folder with libs/kafka_*.jar, or java is missing",
)


def secret_file(folder: Path, path: str) -> Path:
    """Return the file in the folder of secrets that a container has as `path` (/run/secrets/NAME)."""
    file = compose_file()["secrets"][path.removeprefix(SECRETS)]["file"]
    return folder / VARIABLE.sub("", file).lstrip("/")


def make_secrets(folder: Path) -> None:
    """Create the secrets of the compose file."""
    subprocess.run([ROOT / "deploy/make-secrets.sh", folder], check=True, capture_output=True)


def role_settings(service: str, secrets: Path, bootstrap: str) -> dict[str, str]:
    """Return the settings for Kafka that the compose file gives a service, without LIVETWIN_."""
    environment = compose_file()["services"][service]["environment"]
    found = {
        name.removeprefix("LIVETWIN_"): str(value)
        for name, value in environment.items()
        if name.startswith("LIVETWIN_KAFKA")
    }
    settings = {
        name: str(secret_file(secrets, value)) if value.startswith(SECRETS) else value
        for name, value in found.items()
    }
    return {**settings, "KAFKA": bootstrap}


class ComposeKafka:
    """A broker with the configuration of the compose file, and the addresses of its listeners."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self._folder = folder
        self.secrets = secrets
        ports = {"9092": free_port(), "9093": free_port(), "9094": free_port()}
        self._ports = {inside: str(port) for inside, port in ports.items()}
        self.roles = f"localhost:{ports['9092']}"  #: the listener of the roles
        self.local = f"localhost:{ports['9094']}"  #: the listener inside its container
        self._child: ChildProcess | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment of the service `kafka`, on loopback."""
        environment = {
            name: VARIABLE.sub(r"\2", str(value))
            for name, value in compose_file()["services"]["kafka"]["environment"].items()
        }
        for name in ("LISTENERS", "ADVERTISED_LISTENERS", "CONTROLLER_QUORUM_VOTERS"):
            value = (
                environment[f"KAFKA_{name}"]
                .replace("://:", "://localhost:")
                .replace("//kafka:", "//localhost:")
            )
            for inside, port in self._ports.items():
                value = value.replace(f":{inside}", f":{port}")
            environment[f"KAFKA_{name}"] = value
        environment = {
            name: str(secret_file(self.secrets, value)) if value.startswith(SECRETS) else value
            for name, value in environment.items()
        }
        return {**environment, "KAFKA_LOG_DIRS": str(self._folder / "log"), **_FOR_TESTS}

    async def start(self) -> None:
        """Start the broker; return when its listeners are open."""
        libraries = _libraries()
        java = shutil.which("java")
        assert libraries is not None
        assert java is not None
        configuration = self._folder / "configuration"
        if not configuration.exists():
            await self._configure(java, libraries, configuration)
        self._child = ChildProcess.start(
            "apache-kafka",
            [
                java,
                *_JAVA,
                f"-Dlog4j2.configurationFile={configuration / 'log4j2.yaml'}",
                "-cp",
                f"{libraries}/*",
                "kafka.Kafka",
                configuration / "server.properties",
            ],
            data_dir=self._folder,
            log=self.log,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._is_open():
                    assert self._child.exit_code is None, self.log.read_text()[-4000:]
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise AssertionError(f"Kafka is not ready\n{self.log.read_text()[-4000:]}") from None

    async def _configure(self, java: str, libraries: Path, configuration: Path) -> None:
        """Translate the environment and format the disk, as the entry point of the image does."""
        defaults, mounted = self._folder / "defaults", self._folder / "mounted"
        for folder in (configuration, defaults, mounted):
            folder.mkdir(parents=True)
        (defaults / "server.properties").write_text("")
        for name in ("log4j2.yaml", "tools-log4j2.yaml"):
            (defaults / name).write_text(_LOGGING)
        options = [
            word
            for name, folder in (("default", defaults), ("mounted", mounted), ("final", configuration))
            for word in (f"--{name}-configs-dir", str(folder))
        ]
        done = await asyncio.create_subprocess_exec(
            *(java, "-cp", f"{libraries}/*", "kafka.docker.KafkaDockerWrapper", "setup", *options),
            env={"PATH": os.environ["PATH"], **self.environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await done.communicate()
        assert done.returncode == 0, output.decode()

    async def stop(self) -> None:
        """Stop the broker."""
        if self._child is not None:
            await self._child.stop(timeout_s=STOP_TIMEOUT_S)
            self._child = None

    @property
    def log(self) -> Path:
        return self._folder / "apache-kafka.log"

    async def _is_open(self) -> bool:
        with suppress(OSError):
            for address in (self.local, self.roles):
                host, port = address.split(":")
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
            return True
        return False


_LOGGING = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: {pattern: "[%d] %p %m (%c)%n"}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: STDOUT}}
"""


@asynccontextmanager
async def compose_kafka(folder: Path, secrets: Path) -> AsyncIterator[ComposeKafka]:
    """Run a broker with the configuration of the compose file."""
    broker = ComposeKafka(folder / "apache-kafka", secrets)
    try:
        await broker.start()
        yield broker
    finally:
        await broker.stop()
