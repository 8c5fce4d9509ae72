"""Every input of others that is fuzzed."""

from __future__ import annotations

from tests.fuzz.device_targets import decoder_targets, intake_target, redaction_targets, topic_target
from tests.fuzz.engine import Target
from tests.fuzz.http_targets import http_targets


def targets() -> list[Target]:
    """Return every target."""
    return [*decoder_targets(), intake_target(), topic_target(), *redaction_targets(), *http_targets()]
