"""The application: its context, and the routes, error handlers and middleware around it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from time import monotonic
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic.alias_generators import to_camel
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from alerting.delivery.channel_secrets import ChannelSecrets
from api import operations_routes, page_routes
from api.access import routes as access_routes
from api.access.access_tokens import AccessTokens
from api.access.api_keys import ApiKeys
from api.access.authentication import Authenticator
from api.access.authorization import authorize
from api.access.key_watch import KeyWatch
from api.access.sign_in import sign_ins_of
from api.alarms import (
    acknowledgement_link,
    acknowledgement_reply,
    cap_routes,
    command_routes,
    incident_routes,
)
from api.alarms import routes as alarms_routes
from api.alarms.command_gateway import CommandGateway
from api.audit import routes as audit_routes
from api.audit.audited_answers import AuditedAnswers
from api.bulk import routes as bulk_routes
from api.bulk.slots import DownloadSlots
from api.city import routes as city_routes
from api.city.site_files import SiteFiles
from api.context import ApiContext
from api.database import Database
from api.dossier import routes as dossier_routes
from api.duty import notification_routes, push_routes
from api.duty import routes as duty_routes
from api.entities import datastream_routes, vocabulary_routes
from api.entities import routes as entities_routes
from api.entities.known_names import know_names
from api.history import recompute_routes
from api.history import routes as history_routes
from api.http.answer_parts import AnswerParts
from api.http.bodies import read_body_faults
from api.http.limits.admission import Admission
from api.http.limits.rate_limiter import RateLimiter
from api.http.limits.request_limits import RequestLimits
from api.http.methods import AllowedMethods, Methods, add_method_handler
from api.http.negotiation import negotiate
from api.http.problems import add_error_handlers
from api.http.representations import Representations
from api.http.response_headers import API_VERSION, ResponseHeaders
from api.http.websocket_keys import SocketKeys
from api.ingest_status import ledger_routes, quarantine_routes, unassigned_routes
from api.ingest_status.ledger_cache import LedgerCache
from api.insights import routes as insights_routes
from api.lineage import routes as lineage_routes
from api.live import routes as live_routes
from api.live.event_stream import KEEPALIVE_S, EventStreams
from api.live.history.history_player import Histories
from api.live.hub import Hub
from api.live.log_follower import LogFollower, RecordTraces, SeedSource
from api.live.log_replay import LogReplay
from api.maintenance import routes as maintenance_routes
from api.metrics import ApiMetrics
from api.openapi.description import API_KEY, REPLY_KEY, application_members, contact
from api.openapi.document import complete_document
from api.rules import backtest_routes
from api.rules import routes as rules_routes
from api.rules.backtest_queue import BacktestQueue
from api.sensors import routes as sensors_routes
from api.settings import ApiSettings
from api.streams import routes as stream_routes
from api.streams.live_log import LiveLog
from api.streams.protocol import StreamAnswers, StreamTimes
from api.webhooks import routes as webhooks_routes
from runtime.clock import Clock
from runtime.push_key import PushKey
from runtime.signing_key import SigningKey
from runtime.sink_address import SinkRules, parse_networks
from runtime.telemetry.tracing import Tracer
from twin.model.city_model import CityModel

# The largest correlation takes seconds of a core; more at one time would delay the live streams.
CORRELATIONS_MAX = 2

# Somebody who sends codes under a contact's number guesses 1,460 of 890 million in a day.
REPLY_CODES_PER_S = 1 / 60
REPLY_CODES_BURST = 20


def create_context(
    settings: ApiSettings,
    model: CityModel,
    clock: Clock,
    registry: CollectorRegistry,
    *,
    seeds: SeedSource | None = None,
    tracer: Tracer | None = None,
    environment: Mapping[str, str] | None = None,
) -> ApiContext:
    """Return the parts of an api process, not started; `seeds` is the database by default.

    `environment` has the secrets in the addresses of contacts.
    """
    metrics = ApiMetrics(registry)
    hub = _hub(settings, model, clock, metrics)
    database = Database(settings.database.get_secret_value(), settings.database_connections_max)
    kafka = settings.kafka_access()
    authenticator = Authenticator(
        ApiKeys(settings.operator_key, database.grant_of_key), AccessTokens(settings.oidc, clock)
    )
    command_gateway = CommandGateway(kafka, settings.partitions, metrics, database.is_command_stored)
    replay = LogReplay(kafka, settings.replays_max)
    download_slots = DownloadSlots()
    histories = Histories(hub, database, clock, download_slots.reading)
    return ApiContext(
        settings=settings,
        clock=clock,
        metrics=metrics,
        hub=hub,
        log_follower=LogFollower(
            kafka,
            settings.partitions,
            hub,
            seeds or database.read_seed,
            metrics,
            on_alarms=command_gateway.on_alarms,
            record_traces=RecordTraces(tracer, clock, hub) if tracer is not None else None,
        ),
        command_gateway=command_gateway,
        event_streams=_event_streams(settings, replay, metrics, histories),
        histories=histories,
        durable_stream=_durable_stream(settings, clock, LiveLog(hub, replay)),
        database=database,
        authenticator=authenticator,
        key_watch=KeyWatch(authenticator.principal_of),
        sign_ins=sign_ins_of(settings.oidc),
        ledger_cache=LedgerCache(database),
        sink_rules=SinkRules(parse_networks(settings.sink_networks)),
        contact_secrets=ChannelSecrets(environment or {}),
        reply_limiter=RateLimiter(REPLY_CODES_PER_S, REPLY_CODES_BURST),
        signing_key=_signing_key(settings),
        push_key=_push_key(settings),
        dossier_slots=asyncio.Semaphore(dossier_routes.DOSSIERS_MAX),
        download_slots=download_slots,
        correlation_slots=asyncio.Semaphore(CORRELATIONS_MAX),
        export_slots=asyncio.Semaphore(city_routes.EXPORTS_MAX),
        site_files=SiteFiles(database),
        backtest_queue=BacktestQueue(),
    )


def _signing_key(settings: ApiSettings) -> SigningKey | None:
    pem = settings.dossier_key
    return SigningKey.from_pem(pem.get_secret_value()) if pem is not None else None


def _push_key(settings: ApiSettings) -> PushKey | None:
    pem = settings.push_key
    return PushKey.from_pem(pem.get_secret_value()) if pem is not None else None


def _hub(settings: ApiSettings, model: CityModel, clock: Clock, metrics: ApiMetrics) -> Hub:
    return Hub(
        model,
        clock,
        metrics,
        partitions=settings.partitions,
        ring_events_max=settings.ring_events_max,
        ring_bytes_max=settings.ring_bytes_max,
    )


def _event_streams(
    settings: ApiSettings, replay: LogReplay, metrics: ApiMetrics, histories: Histories
) -> EventStreams:
    return EventStreams(
        histories.hub,
        replay,
        metrics,
        subscribers_max=settings.subscribers_max,
        client_subscribers_max=settings.client_subscribers_max,
        queue_bytes_max=settings.subscriber_queue_bytes_max,
        queues_bytes_max=settings.subscribers_queue_bytes_max,
        histories=histories,
    )


def _durable_stream(settings: ApiSettings, clock: Clock, log: LiveLog) -> StreamAnswers:
    times = StreamTimes(settings.stream_long_poll_s, settings.stream_connection_s, KEEPALIVE_S)
    return StreamAnswers(log, times, clock, Random(), monotonic)  # noqa: S311 - spreads the URLs of caches


ROUTERS: Sequence[tuple[APIRouter, str | None]] = (
    *(
        (module.router, API_KEY)
        for module in (
            cap_routes,
            alarms_routes,
            command_routes,
            incident_routes,
            dossier_routes,
            notification_routes,
            entities_routes,
            history_routes,
            recompute_routes,
            lineage_routes,
            datastream_routes,
            sensors_routes,
            city_routes,
            bulk_routes,
            vocabulary_routes,
            live_routes,
            stream_routes,
            insights_routes,
            ledger_routes,
            quarantine_routes,
            rules_routes,
            backtest_routes,
            maintenance_routes,
            webhooks_routes,
            unassigned_routes,
            duty_routes,
            push_routes,
            audit_routes,
            access_routes,
        )
    ),
    # The link that a person got is the credential.
    (acknowledgement_link.router, None),
    (acknowledgement_reply.router, REPLY_KEY),
    (operations_routes.router, None),
)
"""The routers below /v1, each with the security scheme of its routes."""

UNVERSIONED_ROUTERS = (
    dossier_routes.keys_router,
    operations_routes.unversioned_router,
    page_routes.router,
    city_routes.files_router,
)
"""The routers whose paths are beside /v1, in names that others prescribe; not in the document."""


def included_routes() -> Sequence[BaseRoute]:
    """Return the routes with what each request passes first.

    They are the same for each application of a process: FastAPI analyses the parameters of a route when it is
    asked for the first time, which takes longer than most answers.
    """
    every = APIRouter(generate_unique_id_function=lambda route: to_camel(route.name))
    for router, scheme in ROUTERS:
        # The key comes first: whoever lacks it is not told what a route takes.
        dependencies = [Depends(authorize), Depends(know_names)] if scheme == API_KEY else []
        every.include_router(router, dependencies=[*dependencies, Depends(negotiate)])
    every.include_router(live_routes.websocket_router, dependencies=[Depends(authorize)])
    for router in UNVERSIONED_ROUTERS:
        every.include_router(router)
    return every.routes


_ROUTES = included_routes()


class DescribedApp(FastAPI):
    """The application, whose OpenAPI document has the answers that its routes declare."""

    def __init__(self, context: ApiContext) -> None:
        super().__init__(
            version=API_VERSION,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            routes=list(_ROUTES),
            **application_members(context.settings, context.model.city),
        )
        self._document: dict[str, Any] | None = None
        self._contact = contact(context.settings, context.model.city)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document; it is made once."""
        if self._document is None:
            self._document = complete_document(super().openapi(), ROUTERS)
            self._document["info"]["contact"] = self._contact
        return self._document


def create_app(context: ApiContext) -> ASGIApp:
    """Return the application; its caller starts and stops the parts of the context."""
    app = DescribedApp(context)
    app.state.context = context
    app.state.api_routes = tuple(_api_routes())
    add_error_handlers(app, read_body_faults)
    allowed = AllowedMethods(_api_routes())
    add_method_handler(app, allowed)
    static = context.settings.static_dir
    if (static / "index.html").is_file():
        app.mount("/", page_routes.PageFiles(static, lambda: context.model.city.site.embedding_origins))
    else:
        app.include_router(page_routes.unbuilt_router)
    metrics = context.metrics
    limiter, admission = _rate_limiter(context.settings), Admission(metrics)
    audited = AuditedAnswers(app, context.database, context.clock, metrics)
    limits = RequestLimits(Representations(audited), context.authenticator, metrics, limiter, admission)
    inner = SocketKeys(Methods(AnswerParts(limits), allowed))
    return ResponseHeaders(inner, metrics, context.settings.tiles, context.settings.sign_in_origins)


def _api_routes() -> Iterator[APIRoute]:
    listed = (router for router, _ in ROUTERS)
    for router in (*listed, live_routes.websocket_router, *UNVERSIONED_ROUTERS):
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def _rate_limiter(settings: ApiSettings) -> RateLimiter | None:
    if not settings.client_requests_per_s:
        return None
    return RateLimiter(settings.client_requests_per_s, settings.client_requests_burst)
