"""The application: routes, error handling and headers put together around one context."""

from __future__ import annotations

import asyncio

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from starlette.types import ASGIApp

from api import operations_routes, page_routes
from api.alarms import acknowledgement_link, cap_routes, command_routes, incident_routes
from api.alarms import routes as alarms_routes
from api.alarms.command_gateway import CommandDesk
from api.context import Context
from api.database import Database
from api.duty import notification_routes
from api.duty import routes as duty_routes
from api.entities import datastream_routes
from api.entities import routes as entities_routes
from api.faults import add_fault_handlers
from api.history import routes as history_routes
from api.http.access import authenticate
from api.http.api_keys import Keys
from api.http.rate_limiter import Allowances
from api.http.request_limits import Gate
from api.http.response_headers import API_VERSION, AnswerHeaders
from api.http.responses import answer
from api.ingest_status import ledger_routes, quarantine_routes, unassigned_routes
from api.ingest_status.ledger_cache import Books
from api.insights import routes as insights_routes
from api.lineage import routes as lineage_routes
from api.live import routes as live_routes
from api.live.event_stream import LiveStreams
from api.live.hub import Hub
from api.live.log_follower import Feed, SeedSource
from api.live.log_replay import LogReplay
from api.metrics import ApiMetrics
from api.rules import backtest_routes
from api.rules import routes as rules_routes
from api.rules.backtest_queue import BacktestQueue
from api.settings import ApiSettings
from api.traces import ApiTraces
from api.webhooks import routes as webhooks_routes
from runtime.clock import Clock
from runtime.sink_address import SinkRules, parse_networks
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
        sinks=SinkRules(parse_networks(settings.sink_networks)),
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
        cap_routes,
        alarms_routes,
        command_routes,
        incident_routes,
        notification_routes,
        entities_routes,
        history_routes,
        lineage_routes,
        datastream_routes,
        live_routes,
        insights_routes,
        ledger_routes,
        quarantine_routes,
        rules_routes,
        backtest_routes,
        webhooks_routes,
        unassigned_routes,
        duty_routes,
    ):
        app.include_router(module.router, dependencies=[Depends(authenticate)])
    app.include_router(acknowledgement_link.router)
    app.include_router(operations_routes.router)
    app.include_router(operations_routes.metrics_router)
    app.include_router(page_routes.router)

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """Return the description of this API (OpenAPI 3.1)."""
        return answer(app.openapi())

    static = context.settings.static_dir
    if (static / "index.html").is_file():
        app.mount("/", page_routes.PageFiles(directory=static, html=True))
    else:
        app.include_router(page_routes.unbuilt_router)
    gate = Gate(app, context.keys, context.metrics, _allowances(context.settings))
    return AnswerHeaders(gate, context.metrics, context.settings.tiles)


def _allowances(settings: ApiSettings) -> Allowances | None:
    if not settings.client_requests_per_s:
        return None
    return Allowances(settings.client_requests_per_s, settings.client_requests_burst)
