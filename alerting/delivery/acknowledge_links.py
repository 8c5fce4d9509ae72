"""Signed links that acknowledge what one message told one contact, valid until a time.

An incident may get other alarms later, or the same ones again. A link names the occurrences of its message,
each by a short digest, so that it fits a text message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from twin.alarms.messages import AlarmEvent
from twin.instant import SECOND, Instant

LINK_PATH = "/v1/acknowledge/"
"""The beginning of a link's path; the token follows."""

_SIGNATURE_BYTES = 20
# One of 10,000 other alarms has the digest of one of 500 with a probability of 5 in a million.
_DIGEST_BYTES = 5


@dataclass(frozen=True, slots=True)
class AcknowledgeLink:
    """The content of a valid link."""

    incident: str  #: empty: the message was a digest, of several incidents
    contact: str
    expires: Instant
    occurrences: frozenset[bytes] = frozenset()  #: digests of what the message told

    def covers(self, event: AlarmEvent) -> bool:
        """Whether the message told of this occurrence of an alarm, at its present severity."""
        return occurrence_digest(event) in self.occurrences


@dataclass(frozen=True, slots=True)
class LinkRefusal:
    """Why a link is refused."""

    reason: str
    expired: bool = False  #: whether the signature is valid and only the time is over


def occurrence_digest(event: AlarmEvent) -> bytes:
    """Return what stands for an occurrence of an alarm at the worst severity that it has had so far."""
    told = f"{event.alarm}\0{event.occurrence}\0{int(event.worst_known)}"
    return hashlib.sha256(told.encode()).digest()[:_DIGEST_BYTES]


def sign_link(key: bytes, link: AcknowledgeLink) -> str:
    """Return the URL-safe token of a link; the expiry is truncated to whole seconds."""
    content = "\0".join((link.incident, link.contact, str(link.expires // SECOND), "")).encode()
    content += b"".join(sorted(link.occurrences))
    return _text(_signature(key, content) + content)


def verify_link(key: bytes, token: str, now: Instant) -> AcknowledgeLink | LinkRefusal:
    """Return the link of a token, or why it is refused.

    >>> token = sign_link(b"key", AcknowledgeLink("high-water~alkmaar~1", "anna", 60 * SECOND))
    >>> verify_link(b"key", token, 59 * SECOND).contact
    'anna'
    >>> verify_link(b"key", token, 61 * SECOND)
    LinkRefusal(reason='the link has expired', expired=True)
    >>> verify_link(b"other", token, 0)
    LinkRefusal(reason='the link is not one of ours', expired=False)

    A token has one spelling, since an acknowledgement takes effect once for each token:

    >>> verify_link(b"key", f"{token[:9]}~~~~{token[9:]}", 0)
    LinkRefusal(reason='the link is not one of ours', expired=False)
    """
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if _text(data) != token:  # the decoder skips foreign characters, and ignores unused bits
            return LinkRefusal("the link is not one of ours")
        found, content = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(found, _signature(key, content)):
            return LinkRefusal("the link is not one of ours")
        # Links of earlier versions name no occurrences: they show the incident, and acknowledge nothing.
        incident, contact, expires, digests = (*content.split(b"\0", 3), b"")[:4]
        link = AcknowledgeLink(
            incident.decode(), contact.decode(), int(expires) * SECOND, _divided(digests, _DIGEST_BYTES)
        )
    except ValueError:
        return LinkRefusal("the link is not one of ours")
    return link if now <= link.expires else LinkRefusal("the link has expired", expired=True)


def _divided(data: bytes, size: int) -> frozenset[bytes]:
    """Return the parts of one size; raise ValueError if they do not fill the data."""
    if len(data) % size:
        raise ValueError("the last part is too short")
    return frozenset(data[start : start + size] for start in range(0, len(data), size))


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, b"acknowledge\0" + content, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
