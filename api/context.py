"""What the routes work with: one record per process, kept on the application."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from api.alarms.command_gateway import CommandDesk
from api.database import Database
from api.http.api_keys import Keys
from api.ingest_status.ledger_cache import Books
from api.live.event_stream import LiveStreams
from api.live.hub import Hub
from api.live.log_follower import Feed
from api.metrics import ApiMetrics
from api.rules.backtest_queue import BacktestQueue
from api.settings import ApiSettings
from runtime.clock import Clock
from runtime.sink_address import SinkRules
from twin.model.city_model import CityModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of the running api."""

    settings: ApiSettings
    clock: Clock
    metrics: ApiMetrics
    hub: Hub
    feed: Feed
    desk: CommandDesk
    streams: LiveStreams
    database: Database
    keys: Keys
    books: Books
    backtests: BacktestQueue
    sinks: SinkRules
    correlations: asyncio.Semaphore  #: a place for each that may be computed at one time

    @property
    def model(self) -> CityModel:
        """The city model, as of now: ask once per request."""
        return self.hub.model


def context_of(request: Request) -> Context:
    """Return the context of the application that a request came to."""
    return cast(Context, request.app.state.context)
