"""The embedded MQTT broker: Mosquitto 2 from the Debian package."""

from __future__ import annotations

import shutil
from pathlib import Path

from cli.embedded.ports import LOOPBACK, wait_until_open
from cli.embedded.service import EmbeddedService
from cli.process.child_process import ChildProcess
from cli.process.service_account import set_owner_and_mode
from twin.errors import ServiceError

# Debian installs it into sbin, which is not on the path of every user.
_SEARCH_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"

_CONFIGURATION = """\
# Written by `livetwin up` at each start; changes made here are lost.
listener {port} {address}
# Only local programs reach a listener on loopback. A broker for a network needs passwords and TLS.
allow_anonymous true
user {user}

persistence true
persistence_location {folder}/
# Saved each second: a killed broker loses at most the messages that it acknowledged in its last second.
# Saving by number of changes doubles the processor time per message and still loses hundreds; only a broker
# with replicated sessions loses none.
autosave_on_changes false
autosave_interval 1

# Send small packets at once, without waiting for the acknowledgement of the previous one.
set_tcp_nodelay true
# Messages wait here, and nowhere else, while the log is recycled or ingest is disconnected: in memory.
# Mosquitto drops messages beyond these limits.
max_inflight_messages 0
max_queued_messages {queued_messages_max}
max_queued_bytes {queued_bytes_max}
queue_qos0_messages true
persistent_client_expiration 7d

# The largest packet of a feed; Mosquitto closes the connection of a sender that exceeds it.
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
    QUEUED_MESSAGES_MAX = 2_000_000
    QUEUED_BYTES_MAX = 512 << 20
    """Payloads of the messages that wait; with them each message takes some `MESSAGE_OVERHEAD_BYTES` more."""
    MESSAGE_OVERHEAD_BYTES = 420

    _folder: Path

    async def _prepare(self) -> None:
        self._folder = self.create_folder()
        configuration = self._folder / "mosquitto.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                port=self.port,
                address=LOOPBACK,
                folder=self._folder,
                user=self.account.name if self.account else "",
                packet_bytes_max=self.PACKET_BYTES_MAX,
                queued_messages_max=self.QUEUED_MESSAGES_MAX,
                queued_bytes_max=self.QUEUED_BYTES_MAX,
            ).replace("user \n", "")
        )
        set_owner_and_mode(configuration, self.account, 0o600)

    def environment(self) -> dict[str, str]:
        """Return environment variables of the broker."""
        return {}

    def _launch(self) -> ChildProcess:
        return ChildProcess.start(
            self.name,
            [find_mosquitto(), "-c", self._folder / "mosquitto.conf"],
            data_dir=self.data_dir,
            log=self.log,
            cwd=self._folder,
            environment=self.environment(),
            account=self.account,
        )

    async def _until_ready(self) -> None:
        await wait_until_open(self.port)


def find_mosquitto() -> Path:
    """Return the path of Mosquitto. Raises ServiceError when it is missing."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_SEARCH_PATH)
    if program is None:
        raise ServiceError(
            "Mosquitto is missing: install it with `apt-get install mosquitto`, or `make setup`"
        )
    return Path(program)
