"""The parts that routes work with: one record per process, attached to the application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from alerting.delivery.channel_secrets import ChannelSecrets
from api.access.authentication import Authenticator
from api.access.key_watch import KeyWatch
from api.access.sign_in import SignIn
from api.alarms.command_gateway import CommandGateway
from api.bulk.slots import DownloadSlots
from api.city.site_files import SiteFiles
from api.database import Database
from api.http.limits.bounded_protocol import HEAD_TIMEOUT_S
from api.http.limits.rate_limiter import RateLimiter
from api.ingest_status.ledger_cache import LedgerCache
from api.live.event_stream import EventStreams
from api.live.history.history_player import Histories
from api.live.hub import Hub
from api.live.log_follower import LogFollower
from api.metrics import ApiMetrics
from api.rules.backtest_queue import BacktestQueue
from api.settings import ApiSettings
from api.streams.protocol import StreamAnswers
from runtime.clock import Clock
from runtime.push_key import PushKey
from runtime.signing_key import SigningKey
from runtime.sink_address import SinkRules
from twin.model.city_model import CityModel

BODY_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """The parts of the running api."""

    settings: ApiSettings
    clock: Clock
    metrics: ApiMetrics
    hub: Hub
    log_follower: LogFollower
    command_gateway: CommandGateway
    event_streams: EventStreams
    histories: Histories  #: that streams play first
    durable_stream: StreamAnswers  #: of the same log
    database: Database
    authenticator: Authenticator
    key_watch: KeyWatch  #: ends streams whose key is revoked
    sign_ins: Mapping[str, SignIn]  #: the issuers at which the page signs people in, by id
    ledger_cache: LedgerCache
    backtest_queue: BacktestQueue
    sink_rules: SinkRules
    contact_secrets: ChannelSecrets  #: of the addresses from which contacts reply
    reply_limiter: RateLimiter  #: of the codes in replies, by contact
    signing_key: SigningKey | None  #: signs dossiers; None: none are made
    push_key: PushKey | None  #: with which browsers subscribe; None: they cannot
    dossier_slots: asyncio.Semaphore  #: bounds the dossiers that are made or sent at one time
    download_slots: DownloadSlots  #: bounds the downloads at one time
    correlation_slots: asyncio.Semaphore  #: bounds the correlations computed at one time
    export_slots: asyncio.Semaphore  #: bounds the archives of the city folder at one time
    site_files: SiteFiles  #: of the page, from the city folder
    body_timeout_s: float = BODY_TIMEOUT_S  #: from the head of a request until its body is complete
    head_timeout_s: float = HEAD_TIMEOUT_S  #: from the start of a request until its head is complete

    @property
    def model(self) -> CityModel:
        """The present city model; read it once per request, as it may be replaced."""
        return self.hub.model


def context_of(connection: HTTPConnection) -> ApiContext:
    """Return the context of the application that serves a request."""
    return cast(ApiContext, connection.app.state.context)
