"""Mosquitto 2 from Debian's package, for one machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from cli.embedded.ports import LOOPBACK, wait_until_open
from cli.embedded.service import EmbeddedService
from cli.process.child_process import ChildProcess
from cli.process.service_account import create_service_folder, set_owner_and_mode
from twin.errors import ServiceError

# Debian puts it into sbin, which is not on every user's path.
_SEARCHED = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"

_CONFIGURATION = """\
# Written by `livetwin up` at each start; changes made here are lost.
listener {port} {address}
# Only programs of this machine reach a listener on loopback. A broker for a network needs passwords and TLS.
allow_anonymous true
user {user}

persistence true
persistence_location {folder}/
# Saved each second: a broker that is killed loses at most what it acknowledged in its last second. Saving by
# number of changes costs twice the processor time a message and loses hundreds all the same; losing
# nothing needs a broker with replicated sessions.
autosave_on_changes false
autosave_interval 1

# Mosquitto drops beyond these when a subscriber is slow: no limit. What waits while the log is recycled
# or ingest is away waits here, and nowhere else.
# A small packet does not wait for the acknowledgement of the one before.
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 0
queue_qos0_messages true
persistent_client_expiration 7d

# The largest message that a feed may send; larger ones break the sender's connection.
max_packet_size {packet_bytes_max}

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""


class EmbeddedMosquitto(EmbeddedService):
    """A broker whose sessions and queues outlive a restart."""

    name = "mosquitto"
    account_name = "mosquitto"
    port_option = "--mqtt-port"

    PACKET_BYTES_MAX = 16 << 20

    _folder: Path

    async def _prepare(self) -> None:
        self._folder = create_service_folder(self.data_dir / "mosquitto", self.account)
        configuration = self._folder / "mosquitto.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                port=self.port,
                address=LOOPBACK,
                folder=self._folder,
                user=self.account.name if self.account else "",
                packet_bytes_max=self.PACKET_BYTES_MAX,
            ).replace("user \n", "")
        )
        set_owner_and_mode(configuration, self.account, 0o600)

    def _launch(self) -> ChildProcess:
        return ChildProcess.start(
            self.name,
            [find_mosquitto(), "-c", self._folder / "mosquitto.conf"],
            data_dir=self.data_dir,
            log=self.log,
            cwd=self._folder,
            account=self.account,
        )

    async def _until_ready(self) -> None:
        await wait_until_open(self.port)


def find_mosquitto() -> Path:
    """Return the broker's program. Raises ServiceError when it is missing."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=_SEARCHED)
    if found is None:
        raise ServiceError(
            "Mosquitto is missing: install it with `apt-get install mosquitto`, or `make setup`"
        )
    return Path(found)
