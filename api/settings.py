"""Settings of the api role."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from api.access.issuer_settings import IssuerSettings
from api.alarms.cap import CapStatus
from api.live.hub import RING_BYTES_MAX
from runtime.settings import RoleSettings
from runtime.sink_address import SinkNetworks
from runtime.tls import server_context

_BUILT_PAGE = Path(__file__).parent / "static"


def _unset_if_empty(value: object) -> object:
    """Return None for the empty text, which the compose file passes on for a variable that is not set."""
    return None if value == "" else value


class ApiSettings(RoleSettings):
    """The settings of the api, from environment variables `LIVETWIN_*`."""

    host: str = Field(default="127.0.0.1", description="Address that the HTTP server listens on.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port of the HTTP server; 0 picks a free one."
    )
    tls_cert: Path | None = Field(
        default=None,
        description="File of the server's certificate (PEM) with its chain: the server then accepts HTTPS "
        "(TLS 1.2 and later) only; a renewed certificate is read at the next start.",
    )
    tls_key: Path | None = Field(
        default=None, description="File of the key of the certificate (PEM), not encrypted."
    )
    base_url: str = Field(
        default="http://localhost:8080",
        pattern=r"^https?://[^\s<>&\"]+$",
        description="URL of the page and the API, as in alerting; addresses in CAP messages and feeds begin "
        "with it.",
    )
    contact_email: str = Field(
        default="livetwin@city.example",
        pattern=r"^[^\s@]+@[^\s@]+$",
        description="E-mail address of whom developers can ask about the API; `/v1/openapi.json` shows it.",
    )
    security_contact: Annotated[str | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None,
        pattern=r"^(mailto:|https://|tel:)\S+$",
        description="URI to which people may report a vulnerability, such as mailto:security@example.nl; "
        "`/.well-known/security.txt` is served with it only.",
    )
    operator_key: SecretStr | None = Field(
        default=None,
        description="An API key of the role operator that needs no database; "
        "others are made by `livetwin token`.",
    )
    oidc: tuple[IssuerSettings, ...] = Field(
        default=(),
        max_length=10,
        description="Issuers of access tokens (OpenID Connect), accepted beside API keys, as a JSON list; "
        "[their members](../explanation/security.md#access-tokens).",
    )
    processing_log: Annotated[str | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None,
        pattern=r"^https?://[^\s<>\"]+$",
        description="URL of the collector of processing logs (Logboek Dataverwerkingen, OTLP over HTTP), "
        "such as https://log.city.example/v1/traces; readings of personal data are sent to it.",
    )
    processing_activity: Annotated[str | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9+.-]*:\S+$",
        description="URI of the processing activity in the city's register of processing activities; needed "
        "with LIVETWIN_PROCESSING_LOG.",
    )
    link_key: SecretStr | None = Field(
        default=None,
        description="Secret that signs acknowledgement links, the same as in alerting; without it no link is "
        "valid.",
    )
    push_key: Annotated[SecretStr | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None,
        description="Private key (P-256, PEM) with which alerting sends messages to browsers (web push): the "
        "page subscribes with its public part; without it no browser can subscribe.",
    )
    reply_key: Annotated[SecretStr | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None,
        min_length=32,
        description="Secret of at least 32 characters with which a provider of SMS sends replies to "
        "`/v1/acknowledge-replies`; without it none are taken.",
    )
    dossier_key: SecretStr | None = Field(
        default=None,
        description="Private key (Ed25519, PEM) that signs dossiers, from `livetwin dossier key`; without it "
        "none are made.",
    )
    data_license: Annotated[str | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None,
        pattern=r"^https?://[^\s<>\"]+$",
        description="URI of the licence of the open data, such as "
        "https://creativecommons.org/publicdomain/zero/1.0/: downloads name it.",
    )
    cap_status: CapStatus = Field(
        default="Exercise",
        description="Status of CAP alerts: `Actual` when the public is to act on them, else `Exercise` or "
        "`Test`.",
    )
    cap_sender: str | None = Field(
        default=None,
        pattern=r"^[^\s,<&]+$",
        description="Globally unique sender of CAP alerts, such as a domain of the city; livetwin.CITY by "
        "default.",
    )
    static_dir: Path = Field(default=_BUILT_PAGE, description="Folder of the built page.")
    tiles: str | None = Field(
        default=None,
        description="Background of the page's map: URL template of raster or vector tiles, with {z}, {x} and "
        "{y} or with the names of WMTS, or URL of a MapLibre style; none by default.",
    )
    websocket_origins: str = Field(
        default="*",
        description="Origins of the pages that may open `/v1/live/ws`, such as https://map.example.nl, "
        "separated by commas; `*` for all, as other pages may read all the rest of the API.",
    )
    connections_max: int = Field(
        default=5_000, ge=1, description="HTTP connections at one time; a further one is closed."
    )
    write_timeout_s: float = Field(
        default=30,
        gt=0,
        le=600,
        description="Seconds in which a client must take each part of an answer (64 KiB); else its "
        "connection is closed.",
    )
    waiting_bytes_max: int = Field(
        default=128 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes of answers that wait for slow readers, over all connections; beyond it the client "
        "with the most of them loses its longest waiting connection.",
    )
    # At 100 bytes an event, 150,000 take 15 MB; at 25,000 events a second they reach 6 s back.
    ring_events_max: int = Field(
        default=150_000, ge=1, description="Events kept in memory for subscribers that resume."
    )
    ring_bytes_max: int = Field(
        default=RING_BYTES_MAX,
        ge=1,
        description="Bytes of the log kept in memory for subscribers that resume.",
    )
    # A state event has about 300 bytes: a subscriber may lag 13,000 events before it gets a gap.
    subscriber_queue_bytes_max: int = Field(
        default=4_000_000, ge=1, description="Queued bytes of one live subscriber before it gets a gap."
    )
    subscribers_queue_bytes_max: int = Field(
        default=256_000_000,
        ge=1_000_000,
        description="Queued bytes of all live subscribers; each may use an equal share.",
    )
    subscribers_max: int = Field(default=1_000, ge=1, description="Live subscribers at one time.")
    client_subscribers_max: int = Field(
        default=500, ge=1, description="Live subscribers of one client: an address or an API key."
    )
    client_requests_per_s: float = Field(
        default=200,
        ge=0,
        description="Sustained requests a second of one client; one that reads much counts as ten. 0 for no "
        "limit.",
    )
    client_requests_burst: int = Field(
        default=2_000, ge=1, description="Requests of one client that are granted at once."
    )
    replays_max: int = Field(
        default=4, ge=1, description="Subscribers that may re-read the log at one time; others get a gap."
    )
    stream_long_poll_s: float = Field(
        default=20,
        gt=0,
        le=300,
        description="Seconds until a long poll of `/v1/streams/live` is answered without messages.",
    )
    stream_connection_s: float = Field(
        default=60,
        gt=0,
        le=3_600,
        description="Seconds until Server-Sent Events of `/v1/streams/live` end; clients connect again.",
    )
    database_connections_max: int = Field(
        default=4, ge=1, description="Database connections of this process."
    )
    sink_networks: SinkNetworks = ""

    @model_validator(mode="after")
    def _key_has_its_certificate(self) -> Self:
        if self.tls_key and not self.tls_cert:
            raise ValueError("LIVETWIN_TLS_KEY is set, and LIVETWIN_TLS_CERT is not: set both")
        return self

    @model_validator(mode="after")
    def _issuers_have_their_own_ids(self) -> Self:
        ids = [each.id for each in self.oidc]
        if len(ids) != len(set(ids)):
            raise ValueError(f"LIVETWIN_OIDC has the ids {', '.join(ids)}: give each issuer another id")
        return self

    @model_validator(mode="after")
    def _processing_log_has_its_activity(self) -> Self:
        if self.processing_log and not self.processing_activity:
            raise ValueError(
                "LIVETWIN_PROCESSING_LOG is set, and LIVETWIN_PROCESSING_ACTIVITY is not: set it to the URI "
                "of the processing activity in your register"
            )
        return self

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins that may open a WebSocket, in lower case; empty for all."""
        origins = frozenset(
            each.strip().lower() for each in self.websocket_origins.split(",") if each.strip()
        )
        return frozenset() if "*" in origins else origins

    @property
    def sign_in_origins(self) -> tuple[str, ...]:
        """The origins to which the page sends the code of a person who signs in."""
        return tuple(sorted({each.page_origin for each in self.oidc if each.page_origin is not None}))

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context of HTTPS, None for HTTP. Raises TlsError when a file cannot be used."""
        if self.tls_cert is None:
            return None
        return server_context(self.tls_cert, self.tls_key, ("LIVETWIN_TLS_CERT", "LIVETWIN_TLS_KEY"))
