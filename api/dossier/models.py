"""Model of the keys that verify dossiers."""

from __future__ import annotations

from api.http.models import Model


class JsonWebKeySet(Model, frozen=True, kw_only=True):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]
