"""The long readers of one process: how many at one time, and how much of the database they get."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from api.http.problems import ProblemError, unavailable

DOWNLOADS_MAX = 8
"""At one time. The memory of one is bounded by a row group of Parquet, of up to three parts, with its encoded
copy, and by the text of a part as JSON lines: 80 to 90 MB at the peak, which the allocator keeps for others.
Eight that are encoded at one time take 380 MB."""

CLIENT_DOWNLOADS_MAX = 2
"""Of one client."""

READS_MAX = 1
"""Parts that are read at one time, downloads in turn: one of the few database connections, for a fraction of
a second. All downloads together have that much of the database, and no more."""

RETRY_AFTER_S = 10


class DownloadSlots:
    """The downloads of one process, or its readers of another kind; `noun` is what they are, in problems."""

    def __init__(
        self,
        downloads_max: int = DOWNLOADS_MAX,
        client_downloads_max: int = CLIENT_DOWNLOADS_MAX,
        noun: str = "downloads",
    ) -> None:
        self._noun = noun
        self._downloads_max = downloads_max
        self._client_downloads_max = client_downloads_max
        self._of_client: Counter[str] = Counter()
        self.reading = asyncio.Semaphore(READS_MAX)

    @property
    def downloads(self) -> int:
        """The number of downloads now."""
        return self._of_client.total()

    def take(self, client: str) -> Callable[[], None]:
        """Take a slot; return what gives it back. Raises a problem (429, 503) when there is none."""
        if self._of_client[client] >= self._client_downloads_max:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"This client has {self._client_downloads_max} {self._noun} in progress; wait until one "
                "ends.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        if self.downloads >= self._downloads_max:
            raise unavailable(
                f"{self._downloads_max} {self._noun} are in progress; try again later.", RETRY_AFTER_S
            )
        self._of_client[client] += 1
        taken = True

        def give_back() -> None:
            nonlocal taken
            if taken:
                taken = False
                self._of_client[client] -= 1
                self._of_client += Counter()  # Drops clients without a download.

        return give_back
