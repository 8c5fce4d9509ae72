"""What the routes work with: one record per process, kept on the application."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from api.alarms.command_gateway import CommandGateway
from api.database import Database
from api.http.api_keys import ApiKeys
from api.ingest_status.ledger_cache import LedgerCache
from api.live.event_stream import EventStreams
from api.live.hub import Hub
from api.live.log_follower import LogFollower
from api.metrics import ApiMetrics
from api.rules.backtest_queue import BacktestQueue
from api.settings import ApiSettings
from runtime.clock import Clock
from runtime.sink_address import SinkRules
from twin.model.city_model import CityModel


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
    database: Database
    api_keys: ApiKeys
    ledger_cache: LedgerCache
    backtest_queue: BacktestQueue
    sink_rules: SinkRules
    correlation_slots: asyncio.Semaphore  #: a place for each that may be computed at one time

    @property
    def model(self) -> CityModel:
        """The city model, as of now: ask once per request."""
        return self.hub.model


def context_of(request: Request) -> ApiContext:
    """Return the context of the application that a request came to."""
    return cast(ApiContext, request.app.state.context)
