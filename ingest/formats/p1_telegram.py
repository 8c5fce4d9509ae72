"""The frame of a DSMR P1 telegram: `/` header, lines, `!` checksum (DSMR P1 companion standard v5.0.2, §6.2).

Rules beyond the standard:

- Lines end in CRLF. Many gateways read line by line and join with LF: in a telegram without any CRLF they are
  restored before the checksum is computed, since the meter computed it with them.
- The checksum is compared as a number: one make prints it without leading zeros (`!B9F` for 0B9F).
- White space and NULs around the telegram are ignored; other bytes there mean that it was cut wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fastcrc import crc16

from ingest.decoding import PayloadError
from twin.quality.plausibility import QuarantineReason

# A telegram of a v5 meter has one kilobyte; a text message adds up to two.
TELEGRAM_BYTES_MAX = 16_384

_FRAME = re.compile(rb"[\s\0]*+(/.*?\n!)([0-9A-Fa-f]{0,4})[\s\0]*", re.DOTALL)


class TelegramFrame(NamedTuple):
    """The parts of a telegram."""

    content: bytes  #: from `/` to `!`, both included, lines ending in CRLF
    checksum: int | None  #: as printed; None when there is none (DSMR 2.2 and 3)

    @property
    def checksum_valid(self) -> bool:
        """Whether the printed checksum matches the content (CRC-16/ARC, §6.2)."""
        return self.checksum is not None and self.checksum == crc16.arc(self.content)


def parse_frame(payload: bytes) -> TelegramFrame:
    """Return the frame of a telegram; raise PayloadError unless it is exactly one complete telegram."""
    if len(payload) > TELEGRAM_BYTES_MAX:
        raise PayloadError(
            QuarantineReason.TOO_LARGE,
            f"the telegram has {len(payload)} bytes, expected at most {TELEGRAM_BYTES_MAX}",
        )
    match = _FRAME.fullmatch(payload)
    if match is None or b"\n!" in match[1][:-1]:
        raise PayloadError(
            QuarantineReason.MALFORMED,
            f"expected one P1 telegram from '/' to '!' and its checksum, found {len(payload)} bytes "
            f"{_defect(payload)}",
        )
    content = match[1] if b"\r\n" in match[1] else match[1].replace(b"\n", b"\r\n")
    return TelegramFrame(content, int(match[2], 16) if match[2] else None)


def _defect(payload: bytes) -> str:
    # The text shows no bytes of the telegram: those at a cut may be part of an equipment id.
    if not payload.lstrip(b"\0 \t\r\n").startswith(b"/"):
        return "that do not begin with '/'"
    if b"\n!" not in payload:
        return "without a line that begins with '!'"
    return "with more after the checksum"


def rewrite_telegram(payload: bytes, rewrite: Callable[[bytes], bytes]) -> bytes:
    """Apply `rewrite` to a telegram; compute its checksum again if it was valid before.

    An invalid checksum stays: it is the reason why the message is kept.
    """
    changed = rewrite(payload)
    try:
        if changed == payload or not parse_frame(payload).checksum_valid:
            return changed
        renewed = crc16.arc(parse_frame(changed).content)
    except PayloadError:
        return changed
    head, mark, tail = changed.rpartition(b"!")
    return head + mark + b"%04X" % renewed + tail.lstrip(b"0123456789ABCDEFabcdef")
