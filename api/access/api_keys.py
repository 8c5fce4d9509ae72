"""API keys: looked up in the database by their hash, and cached for a moment."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pydantic import SecretStr

from api.access.principal import Principal
from api.http.problems import ProblemError, unavailable
from storage.stores.tokens import TOKEN_PREFIX, TokenGrant, token_digest

# A revoked key is refused after this and one lookup of at most LOOKUP_WAIT_S: within 2 s.
CACHE_S = 0.8
LOOKUP_WAIT_S = 1.0
# A lookup on a connection that died silently hangs: it is ended after this, and the next one starts anew.
LOOKUP_TIMEOUT_S = 10.0
KEYS_MAX = 1_000
# Longer than any key that was ever issued; a longer text is refused without hashing it.
KEY_LENGTH_MAX = 512
LOOKUPS_MAX = 64
RETRY_AFTER_S = 5

GrantLookup = Callable[[bytes], Awaitable[TokenGrant | None]]
"""Returns what a live key grants, by its SHA-256; raises a ProblemError while the database is away."""

OPERATOR_KEY = Principal("operator", "operator")
"""Who uses the key in the settings."""


class _Known(NamedTuple):
    principal: Principal
    checked_s: float


class _PendingLookup(NamedTuple):
    task: asyncio.Task[Principal | None]
    since_s: float


class ApiKeys:
    """A cache of the keys that were valid at their last lookup.

    While the database is unavailable the cached keys stay valid, since live state works without it; other
    keys cannot be checked and get a 503. Unknown keys are not cached, so that guesses evict no valid key.
    """

    def __init__(
        self,
        operator_key: SecretStr | None,
        lookup: GrantLookup,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operator_hash = (
            token_digest(operator_key.get_secret_value()) if operator_key is not None else None
        )
        self._lookup = lookup
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._lookups: dict[bytes, _PendingLookup] = {}

    async def principal_of(self, key: str) -> Principal | None:
        """Return who uses a key, or None for an unknown key.

        Raises a ProblemError (503) when the key cannot be checked.
        """
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            return None
        key_hash = token_digest(key)
        if self._is_operator_key(key_hash):
            return OPERATOR_KEY
        if not key.startswith(TOKEN_PREFIX):
            return None  # It was never issued here: no lookup is needed.
        known = self._known.get(key_hash)
        if known is not None and self._monotonic() - known.checked_s < CACHE_S:
            self._known.move_to_end(key_hash)
            return known.principal
        try:
            return await self._look_up(key_hash)
        except ProblemError:
            # The database is unavailable: its last answer stays valid.
            if known is None:
                raise
            return known.principal

    def known_principal(self, key: str) -> Principal | None:
        """Return who uses a key that was valid at its last lookup, None for every other key."""
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            return None
        key_hash = token_digest(key)
        if self._is_operator_key(key_hash):
            return OPERATOR_KEY
        known = self._known.get(key_hash)
        return known.principal if known is not None else None

    def _is_operator_key(self, key_hash: bytes) -> bool:
        return self._operator_hash is not None and hmac.compare_digest(key_hash, self._operator_hash)

    async def _look_up(self, key_hash: bytes) -> Principal | None:
        pending = self._lookups.get(key_hash)
        if pending is None:
            if len(self._lookups) >= LOOKUPS_MAX:
                raise _unchecked_problem()
            task = asyncio.create_task(self._query(key_hash), name="api key lookup")
            pending = self._lookups[key_hash] = _PendingLookup(task, self._monotonic())
            task.add_done_callback(lambda done: self._on_lookup_done(key_hash, done))
        # A slow lookup is not cancelled: other requests may wait for it. Later ones do not wait longer than
        # the first, so that only one waits while the database hangs.
        left_s = pending.since_s + LOOKUP_WAIT_S - self._monotonic()
        if left_s > 0:
            await asyncio.wait({pending.task}, timeout=left_s)
        if not pending.task.done():
            raise _unchecked_problem()
        return pending.task.result()

    async def _query(self, key_hash: bytes) -> Principal | None:
        # The time before the query: a key that is revoked during the query may get either answer.
        began_s = self._monotonic()
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                grant = await self._lookup(key_hash)
        except TimeoutError as error:
            raise _unchecked_problem() from error
        if grant is None:
            self._known.pop(key_hash, None)
            return None
        principal = Principal(
            grant.name, grant.role, frozenset(grant.areas) if grant.areas is not None else None
        )
        self._known[key_hash] = _Known(principal, began_s)
        self._known.move_to_end(key_hash)
        while len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)
        return principal

    def _on_lookup_done(self, key_hash: bytes, done: asyncio.Task[Principal | None]) -> None:
        self._lookups.pop(key_hash, None)
        if not done.cancelled():
            # Marks the exception as retrieved: perhaps no request waits for it any more.
            done.exception()


def _unchecked_problem() -> ProblemError:
    return unavailable(
        "The API key cannot be checked, because the database does not answer; omit the key for anonymous "
        "access, or try again later.",
        RETRY_AFTER_S,
    )
