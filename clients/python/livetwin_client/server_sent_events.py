"""Decodes a stream of Server-Sent Events; no input or output.

It follows the HTML standard, section 9.2.6 "Interpreting an event stream". An event that the stream ends
within is dropped, with its id, so the position stays before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from livetwin_client.errors import UnexpectedAnswerError

EVENT_BYTES_MAX = 1024 * 1024
"""Of one event. Those of LiveTwin have some kilobytes; a stream without line breaks must not fill memory."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RETRY_DIGITS_MAX = 12  # Of milliseconds: 30 years.
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


class ServerSentEvent(NamedTuple):
    """An event with data."""

    name: str
    data: str
    id: str  #: that of an earlier event where this one has none


class ServerSentEventDecoder:
    """Decodes one connection; `retry_s` is the last waiting time that the server asked for.

    >>> decoder = ServerSentEventDecoder()
    >>> list(decoder.decode(b"id: 7\\nevent: state\\nda"))
    []
    >>> list(decoder.decode(b"ta: {}\\n\\n"))
    [ServerSentEvent(name='state', data='{}', id='7')]
    """

    def __init__(self, last_id: str = "", event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self.retry_s: float | None = None
        self._event_bytes_max = event_bytes_max
        self._rest = b""
        self._after_cr = False
        self._begun = False
        self._event_bytes = 0
        self._id = last_id
        self._name = ""
        self._data: list[str] = []

    def decode(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that end in the next bytes; raise UnexpectedAnswerError for a too long one."""
        for line in self._lines(chunk):
            if line:
                self._on_line(line)
            elif (event := self._dispatch()) is not None:
                yield event
        if self._event_bytes + len(self._rest) > self._event_bytes_max:
            raise UnexpectedAnswerError(
                f"found an event of more than {self._event_bytes_max} bytes, expected one of LiveTwin"
            )

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        """Yield whole lines. A CR ends one at once; an LF that begins the next chunk belongs to it."""
        if not chunk:
            return
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        data = self._rest + chunk
        if not self._begun:
            if _BYTE_ORDER_MARK.startswith(data):
                self._rest = data  # Part of a mark: what follows decides.
                return
            data = data.removeprefix(_BYTE_ORDER_MARK)
            self._begun = True
        *lines, self._rest = _END_OF_LINE.split(data)
        self._after_cr = data.endswith(b"\r")
        yield from lines

    def _on_line(self, line: bytes) -> None:
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._event_bytes += len(line)
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) <= _RETRY_DIGITS_MAX:
                self.retry_s = int(value) / 1000

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._event_bytes = "", [], 0
        return ServerSentEvent(name, "\n".join(data), self._id) if data else None
