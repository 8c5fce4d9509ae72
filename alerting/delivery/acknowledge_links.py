"""Signed links that acknowledge one incident for one contact, valid until a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from twin.instant import SECOND, Instant

LINK_PATH = "/v1/acknowledge/"
"""The beginning of a link's path; the token follows."""

_SIGNATURE_BYTES = 20


@dataclass(frozen=True, slots=True)
class AcknowledgeLink:
    """The content of a valid link."""

    incident: str
    contact: str
    expires: Instant


@dataclass(frozen=True, slots=True)
class LinkRefusal:
    """Why a link is refused."""

    reason: str
    expired: bool = False  #: whether the signature is valid and only the time is over


def sign_link(key: bytes, link: AcknowledgeLink) -> str:
    """Return the URL-safe token of a link; the expiry is truncated to whole seconds."""
    content = "\0".join((link.incident, link.contact, str(link.expires // SECOND))).encode()
    return _text(_signature(key, content) + content)


def verify_link(key: bytes, token: str, now: Instant) -> AcknowledgeLink | LinkRefusal:
    """Return the link of a token, or why it is refused.

    >>> token = sign_link(b"key", AcknowledgeLink("high-water~alkmaar~1", "anna", 60 * SECOND))
    >>> verify_link(b"key", token, 59 * SECOND)
    AcknowledgeLink(incident='high-water~alkmaar~1', contact='anna', expires=60000000)
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
        incident, contact, expires = content.decode().split("\0")
        link = AcknowledgeLink(incident, contact, int(expires) * SECOND)
    except ValueError:
        return LinkRefusal("the link is not one of ours")
    return link if now <= link.expires else LinkRefusal("the link has expired", expired=True)


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, b"acknowledge\0" + content, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
