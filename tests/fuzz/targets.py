"""All fuzz targets."""

from __future__ import annotations

from tests.fuzz.device_targets import decoder_targets, intake_target, redaction_targets, topic_target
from tests.fuzz.engine import FuzzTarget
from tests.fuzz.file_targets import file_targets
from tests.fuzz.header_targets import header_targets
from tests.fuzz.http_targets import http_targets
from tests.fuzz.log_targets import log_targets
from tests.fuzz.socket_targets import socket_targets


def targets() -> list[FuzzTarget]:
    """Return every target."""
    return [
        *decoder_targets(),
        intake_target(),
        topic_target(),
        *redaction_targets(),
        *log_targets(),
        *file_targets(),
        *header_targets(),
        *http_targets(),
        *socket_targets(),
    ]
