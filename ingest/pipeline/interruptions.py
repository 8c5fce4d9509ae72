"""Interruptions of the MQTT session as entries of quarantine: messages may be missing that never arrived."""

from __future__ import annotations

import hashlib

from ingest.mqtt.continuity import Interruption
from ingest.pipeline.intake import REPLAYED_SEQUENCE, ProcessedMessage
from twin.instant import format_instant
from twin.quality.plausibility import QuarantineReason
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import SESSION_TOPIC, QuarantinedMessage, quarantine_id

_NO_PAYLOAD_SHA256 = hashlib.sha256(b"").hexdigest()

_ADVICE = "ask the senders for what is missing, and see docs/how-to/runbook.md#mqttsessioninterrupted"

_DETAILS = {
    QuarantineReason.SESSION_TAKEN_OVER: "another client connected with the client id of ingest ({times}): "
    f"messages that waited for ingest may have gone to it; {_ADVICE}",
    QuarantineReason.SESSION_LOST: "the broker no longer had the session of ingest ({times}): "
    f"messages that waited for ingest were deleted; {_ADVICE}",
}


def interruption_record(interruption: Interruption) -> ProcessedMessage:
    """Return the entry of quarantine; it belongs to no session, so the ledger counts no message for it."""
    when = f"once, at {format_instant(interruption.last)}"
    if interruption.times > 1:
        first, last = format_instant(interruption.first), format_instant(interruption.last)
        when = f"{interruption.times} times, from {first} to {last}"
    return ProcessedMessage(
        0,
        [],
        QuarantinedMessage(
            version=LAYOUT_VERSION,
            id=quarantine_id(SESSION_TOPIC, _NO_PAYLOAD_SHA256, interruption.last, interruption.times),
            feed="",
            topic=SESSION_TOPIC,
            received_time=interruption.last,
            reason=interruption.reason,
            detail=_DETAILS[interruption.reason].format(times=when),
            payload=b"",
            payload_bytes=0,
            payload_sha256=_NO_PAYLOAD_SHA256,
            session="",
            sequence=REPLAYED_SEQUENCE,
            observations=0,
        ),
    )
