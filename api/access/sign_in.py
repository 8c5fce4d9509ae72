"""What the page needs to sign people in at an issuer: authorization code with PKCE, done by the browser.

The endpoints are in the issuer's metadata, which is downloaded when somebody asks, at most once in
`REFETCH_S`, and kept. No secret, no code and no token of a person passes this server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.access.issuer_documents import IssuerError, endpoint_of, fetch_metadata, issuer_session, origin_of
from api.access.issuer_settings import IssuerSettings, PageClient

log = logging.getLogger(__name__)

REFETCH_S = 10.0
REFRESH_S = 600.0


class Endpoints(NamedTuple):
    """Where an issuer lets people sign in and out."""

    authorization: str
    token: str
    end_session: str | None
    names_itself: bool  #: whether its answers have `iss` (RFC 9207), which the page then compares


class SignIn:
    """Signing in at one issuer."""

    def __init__(
        self, settings: IssuerSettings, page: PageClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.page = page
        self._monotonic = monotonic
        self._known: Endpoints | None = None
        self._fetched_s = 0.0
        self._tried_s: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._failure = "its metadata was not read yet"

    async def endpoints(self) -> Endpoints:
        """Return the endpoints; raise IssuerError, with the reason, while none are known."""
        now = self._monotonic()
        if self._known is None or now - self._fetched_s >= REFRESH_S:
            fetching = self._start_refresh(now)
            if fetching is not None and self._known is None:
                # The client of one request may go away while others wait for the same download.
                await asyncio.shield(fetching)
        if self._known is None:
            raise IssuerError(self._failure)
        return self._known

    async def settled(self) -> None:
        """Wait for a download that is in progress."""
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _start_refresh(self, now: float) -> asyncio.Task[None] | None:
        """Return the download in progress, else start one; None shortly after the last one."""
        if self._fetching is None and (self._tried_s is None or now - self._tried_s >= REFETCH_S):
            self._tried_s = now
            self._fetching = asyncio.create_task(self._fetch_and_keep(), name="issuer metadata")
            self._fetching.add_done_callback(self._on_fetched)
        return self._fetching

    def _on_fetched(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_and_keep(self) -> None:
        issuer = self.settings.issuer
        try:
            async with issuer_session() as session:
                metadata = await fetch_metadata(session, issuer)
            self._known = read_endpoints(metadata, self.settings.page_origin or origin_of(issuer))
            self._fetched_s = self._monotonic()
        except IssuerError as error:
            self._failure = str(error)
            log.warning(
                "nobody can sign in at %s: %s; %s",
                issuer,
                error,
                "the endpoints of before stay" if self._known else "the page says so",
                extra={"event": "api.issuer_metadata_failed", "issuer": issuer},
            )


def read_endpoints(metadata: Mapping[str, Any], token_origin: str) -> Endpoints:
    """Return the endpoints in an issuer's metadata; raise IssuerError if the page cannot use it.

    The page may connect to `token_origin` only.
    """
    # Some issuers leave out what they support: that they do not say S256 means nothing.
    for name, needed in (("response_types_supported", "code"), ("code_challenge_methods_supported", "S256")):
        supported = metadata.get(name)
        if isinstance(supported, list) and needed not in supported:
            raise IssuerError(
                f"its metadata has the {name} {str(supported)[:100]}, expected {needed} among them"
            )
    token = endpoint_of(metadata, "token_endpoint")
    if origin_of(token) != token_origin:
        raise IssuerError(
            f"its token endpoint is at {origin_of(token)}, and the page may connect to {token_origin} only: "
            "set page.tokenOrigin of the issuer in LIVETWIN_OIDC"
        )
    return Endpoints(
        endpoint_of(metadata, "authorization_endpoint"),
        token,
        endpoint_of(metadata, "end_session_endpoint") if "end_session_endpoint" in metadata else None,
        metadata.get("authorization_response_iss_parameter_supported") is True,
    )


def sign_ins_of(issuers: tuple[IssuerSettings, ...]) -> dict[str, SignIn]:
    """Return the issuers at which the page signs people in, by their id."""
    return {each.id: SignIn(each, each.page) for each in issuers if each.page is not None}
