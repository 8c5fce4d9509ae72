"""The application: routes, error handling and headers put together around one context."""

from __future__ import annotations

import asyncio

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from starlette.types import ASGIApp

from api.access import authenticate
from api.allowance import Allowances
from api.backtest_queue import BacktestQueue
from api.books import Books
from api.command_desk import CommandDesk
from api.context import Context
from api.database import Database
from api.faults import add_fault_handlers
from api.feed import Feed, SeedSource
from api.gate import Gate
from api.headers import API_VERSION, AnswerHeaders
from api.hub import Hub
from api.keys import Keys
from api.live_stream import LiveStreams
from api.log_replay import LogReplay
from api.metrics import ApiMetrics
from api.paging import answer
from api.routes import (
    acknowledge,
    alarm_commands,
    alarms,
    backtests,
    cap,
    datastreams,
    duty,
    entities,
    history,
    incidents,
    insights,
    ledger,
    live,
    notifications,
    operations,
    page,
    provenance,
    quarantine,
    rules,
    subscriptions,
    unassigned,
)
from api.settings import ApiSettings
from api.traces import ApiTraces
from runtime.clock import Clock
from runtime.sink_address import SinkRules, networks
from runtime.telemetry.tracing import Tracer
from twin.model.city_model import CityModel

# The most one may ask for takes seconds of a core; more at one time would keep live streams waiting.
CORRELATIONS_MAX = 2


def create_context(
    settings: ApiSettings,
    model: CityModel,
    clock: Clock,
    registry: CollectorRegistry,
    *,
    seeds: SeedSource | None = None,
    tracer: Tracer | None = None,
) -> Context:
    """Return the parts of an api process, none of them started; `seeds` is the database by default."""
    metrics = ApiMetrics(registry)
    hub = _hub(settings, model, clock, metrics)
    database = Database(settings.database.get_secret_value(), settings.database_connections_max)
    kafka = settings.kafka_access()
    desk = CommandDesk(kafka, settings.partitions, metrics, database.command_was_done)
    return Context(
        settings=settings,
        clock=clock,
        metrics=metrics,
        hub=hub,
        feed=Feed(
            kafka,
            settings.partitions,
            hub,
            seeds or database.seed,
            metrics,
            hear=desk.hear,
            traces=ApiTraces(tracer, clock, hub) if tracer is not None else None,
        ),
        desk=desk,
        streams=LiveStreams(
            hub,
            LogReplay(kafka, settings.replays_max),
            metrics,
            subscribers_max=settings.subscribers_max,
            client_subscribers_max=settings.client_subscribers_max,
            queue_bytes_max=settings.subscriber_queue_bytes_max,
        ),
        database=database,
        keys=Keys(settings.operator_key, database.role_of_key, database.name_of_key),
        books=Books(database),
        sinks=SinkRules(networks(settings.sink_networks)),
        correlations=asyncio.Semaphore(CORRELATIONS_MAX),
        backtests=BacktestQueue(),
    )


def _hub(settings: ApiSettings, model: CityModel, clock: Clock, metrics: ApiMetrics) -> Hub:
    return Hub(
        model,
        clock,
        metrics,
        partitions=settings.partitions,
        ring_events_max=settings.ring_events_max,
        ring_bytes_max=settings.ring_bytes_max,
    )


def create_app(context: Context) -> ASGIApp:
    """Return the application; whoever serves it starts and stops the parts of the context."""
    app = FastAPI(
        title="LiveTwin",
        version=API_VERSION,
        summary="The live state and history of a city.",
        description="Follows the NLGov REST API Design Rules. Times are UTC; units are UCUM codes.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    app.state.context = context
    add_fault_handlers(app)
    for module in (
        cap,
        alarms,
        alarm_commands,
        incidents,
        notifications,
        entities,
        history,
        provenance,
        datastreams,
        live,
        insights,
        ledger,
        quarantine,
        rules,
        backtests,
        subscriptions,
        unassigned,
        duty,
    ):
        app.include_router(module.router, dependencies=[Depends(authenticate)])
    app.include_router(acknowledge.router)
    app.include_router(operations.router)
    app.include_router(operations.metrics_router)
    app.include_router(page.router)

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """Return the description of this API (OpenAPI 3.1)."""
        return answer(app.openapi())

    static = context.settings.static_dir
    if (static / "index.html").is_file():
        app.mount("/", page.PageFiles(directory=static, html=True))
    else:
        app.include_router(page.unbuilt_router)
    gate = Gate(app, context.keys, context.metrics, _allowances(context.settings))
    return AnswerHeaders(gate, context.metrics, context.settings.tiles)


def _allowances(settings: ApiSettings) -> Allowances | None:
    if not settings.client_requests_per_s:
        return None
    return Allowances(settings.client_requests_per_s, settings.client_requests_burst)
