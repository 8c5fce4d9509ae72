"""API keys as the api knows them: looked up in the database by their hash, and remembered for a moment."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

from pydantic import SecretStr

from api.http.problems import ProblemError
from storage.stores.tokens import TOKEN_PREFIX, token_digest
from twin.model.role import Role

# A revoked key is refused after this and one lookup, which has at most LOOKUP_S: within 2 s.
CACHE_S = 0.8
LOOKUP_WAIT_S = 1.0
# A lookup that hangs on a connection that died without a word is ended, and the key is looked up anew.
LOOKUP_TIMEOUT_S = 10.0
KEYS_MAX = 1_000
# Longer than any key that was ever given out; what is longer is not worth a hash.
KEY_LENGTH_MAX = 512
LOOKUPS_MAX = 64
RETRY_AFTER_S = 5

RoleLookup = Callable[[bytes], Awaitable[Role | None]]
"""Returns the role of a live key by its SHA-256; raises a ProblemError while the database is away."""

NameLookup = Callable[[bytes], Awaitable[str | None]]
"""Returns the name of a live key by its SHA-256; raises a ProblemError while the database is away."""

OPERATOR_KEY_NAME = "operator"
"""The name of the key in the settings."""


class _Known(NamedTuple):
    role: Role
    checked_s: float


class _Looking(NamedTuple):
    task: asyncio.Task[Role | None]
    since_s: float


class ApiKeys:
    """The keys that were good when last looked at.

    While the database is away these go on to be good, since live state does without the database; others
    cannot be told from wrong ones, and get a 503. Keys that are wrong are not remembered, so that whoever
    tries many drives no good one out.
    """

    def __init__(
        self,
        operator_key: SecretStr | None,
        role_lookup: RoleLookup,
        name_lookup: NameLookup,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operator = token_digest(operator_key.get_secret_value()) if operator_key is not None else None
        self._lookup = role_lookup
        self._name = name_lookup
        self._seconds = monotonic
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._looking: dict[bytes, _Looking] = {}

    async def role_of(self, key: str) -> Role | None:
        """Return the role of a key, or None when it is none.

        Raises a ProblemError (503) when nobody can say.
        """
        hashed = token_digest(key)
        if self._operator is not None and hmac.compare_digest(hashed, self._operator):
            return "operator"
        if not key.startswith(TOKEN_PREFIX):
            return None  # Not one of ours: the database need not be asked.
        known = self._known.get(hashed)
        if known is not None and self._seconds() - known.checked_s < CACHE_S:
            self._known.move_to_end(hashed)
            return known.role
        try:
            return await self._look(hashed)
        except ProblemError:
            # The database is away: what it said last stands.
            if known is None:
                raise
            return known.role

    def known_hash(self, key: str) -> bytes | None:
        """Return the hash of a key that was good when last looked at, None for every other."""
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            return None
        hashed = token_digest(key)
        if self._operator is not None and hmac.compare_digest(hashed, self._operator):
            return hashed
        return hashed if hashed in self._known else None

    async def name_of(self, key: str) -> str:
        """Return by what name whoever has a key acts; the begin of its hash where nobody can say the name."""
        hashed = token_digest(key)
        if self._operator is not None and hmac.compare_digest(hashed, self._operator):
            return OPERATOR_KEY_NAME
        try:
            async with asyncio.timeout(LOOKUP_WAIT_S):
                found = await self._name(hashed)
        except (ProblemError, TimeoutError):
            found = None
        return found or f"key {hashed.hex()[:8]}"

    async def _look(self, hashed: bytes) -> Role | None:
        looking = self._looking.get(hashed)
        if looking is None:
            if len(self._looking) >= LOOKUPS_MAX:
                raise _undecided()
            task = asyncio.create_task(self._ask(hashed), name="api key lookup")
            looking = self._looking[hashed] = _Looking(task, self._seconds())
            task.add_done_callback(lambda done: self._looked(hashed, done))
        # Not cancelled yet when it takes long: others may wait for the same answer. But while the database
        # hangs, only the first of them waits.
        left_s = looking.since_s + LOOKUP_WAIT_S - self._seconds()
        if left_s > 0:
            await asyncio.wait({looking.task}, timeout=left_s)
        if not looking.task.done():
            raise _undecided()
        return looking.task.result()

    async def _ask(self, hashed: bytes) -> Role | None:
        # From before the question: what is revoked while it is under way may be answered either way.
        asked_s = self._seconds()
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                role = await self._lookup(hashed)
        except TimeoutError as error:
            raise _undecided() from error
        if role is None:
            self._known.pop(hashed, None)
        else:
            self._known[hashed] = _Known(role, asked_s)
            self._known.move_to_end(hashed)
            while len(self._known) > KEYS_MAX:
                self._known.popitem(last=False)
        return role

    def _looked(self, hashed: bytes, done: asyncio.Task[Role | None]) -> None:
        self._looking.pop(hashed, None)
        if not done.cancelled():
            # Told to whoever still waits; nobody may.
            done.exception()


def _undecided() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The API key cannot be checked just now, as the database does not answer; leave the key out to ask "
        "as anybody may, or try again later.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
