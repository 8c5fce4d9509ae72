"""Downloads a calendar: from a checked address, within limits of time and size, and without redirects."""

from __future__ import annotations

from http import HTTPStatus
from types import TracebackType

import aiohttp

from cities.duty.roster_calendar import CALENDAR_BYTES_MAX
from runtime.sink_address import SinkError, SinkRules
from runtime.sink_resolver import CheckedResolver
from twin.errors import TwinError

DOWNLOAD_S_MAX = 30.0
"""The longest time for a download, from the look-up of the host to the last byte."""


class DownloadError(TwinError):
    """A calendar cannot be downloaded; the message does not contain the URL, which may be a secret."""


class RosterDownload:
    """An HTTP client. It keeps no cookie, and decompresses nothing: a small answer must not become large."""

    def __init__(self, rules: SinkRules, timeout_s: float = DOWNLOAD_S_MAX) -> None:
        self._rules = rules
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=CheckedResolver(rules), force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            auto_decompress=False,
            headers={"Accept": "text/calendar", "Accept-Encoding": "identity", "User-Agent": "livetwin"},
        )

    async def __aenter__(self) -> RosterDownload:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, url: str) -> str:
        """Return the text at a URL. Raises DownloadError."""
        try:
            self._rules.check_url(url)
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in range(300, 400):
                    raise DownloadError("the answer is a redirect, expected the calendar: name its own URL")
                if response.status != HTTPStatus.OK:
                    raise DownloadError(f"the answer is {response.status}, expected 200")
                return await self._read(response)
        except TimeoutError:
            raise DownloadError(f"no whole answer within {self._timeout_s:g} s") from None
        except SinkError as error:
            raise DownloadError(str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of these errors may contain the URL.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise DownloadError(f"the host cannot be reached: {reason}") from None

    async def _read(self, response: aiohttp.ClientResponse) -> str:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError("the answer is compressed, expected the plain text that was asked for")
        content = bytearray()
        async for part in response.content.iter_chunked(65_536):
            content += part
            if len(content) > CALENDAR_BYTES_MAX:
                raise DownloadError(f"the calendar is too large: expected at most {CALENDAR_BYTES_MAX} bytes")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DownloadError("the answer is not UTF-8 text") from None
