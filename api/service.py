"""The api role: serves HTTP until cancelled, and keeps the live view and the city model up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Generator, Mapping
from typing import cast

import uvicorn

from api.app import create_app, create_context
from api.audit.processing_log import ProcessingLog
from api.context import ApiContext
from api.http.limits.bounded_protocol import BoundedHttpProtocol
from api.http.limits.bounded_websocket import (
    MESSAGE_BYTES_MAX,
    PING_S,
    PONG_TIMEOUT_S,
    BoundedWebSocketProtocol,
)
from api.http.limits.waiting_answers import WaitingAnswers
from api.http.response_headers import standard_headers
from api.settings import ApiSettings
from runtime.clock import system_clock
from runtime.gc_tuning import tune_gc
from runtime.model_source import CityModelSource
from runtime.readiness import notify_ready
from runtime.telemetry.metrics import new_registry, serve_metrics
from runtime.telemetry.tracing import Tracer
from twin.errors import ServiceError

log = logging.getLogger(__name__)

# Event streams end at once; other requests have this long to complete.
SHUTDOWN_S = 3
_PAUSE_S = 0.02


class _Server(uvicorn.Server):
    """A server without signal handlers: the command line turns signals into cancellation."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(
    settings: ApiSettings,
    models: CityModelSource,
    tracer: Tracer | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Serve until cancelled; `environment` has the secrets in the addresses of contacts.

    Raises ServiceError when there is no city model or the port is taken.
    """
    registry = new_registry()
    model = await models.load()
    context = create_context(settings, model, system_clock, registry, tracer=tracer, environment=environment)
    serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    # The routes and the model are there by now, and stay.
    tune_gc()
    await serve(context, models)


async def serve(context: ApiContext, models: CityModelSource) -> None:
    """Serve a context until cancelled, then end every stream and every request."""
    settings = context.settings
    server = _Server(_configuration(context))
    await context.database.open()
    serving = asyncio.create_task(_serve(server, settings))
    others = [
        asyncio.create_task(context.log_follower.run()),
        asyncio.create_task(_follow_model(context, models)),
        asyncio.create_task(_announce(context, server)),
    ]
    if (processing_log := _processing_log(context)) is not None:
        others.append(asyncio.create_task(processing_log.run()))
    try:
        running = {serving, *others}
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if serving in done:
                raise ServiceError(f"the HTTP server on {settings.host}:{settings.port} ended by itself")
    finally:
        context.event_streams.close()
        server.should_exit = True
        for task in others:
            task.cancel()
        await asyncio.gather(serving, *others, return_exceptions=True)
        _abort_connections(server)
        await asyncio.sleep(0)  # The connections end in the next turn of the loop.
        await context.command_gateway.close()
        await context.database.close()


def _processing_log(context: ApiContext) -> ProcessingLog | None:
    """Return what sends readings of personal data to the collector of the settings; None without one."""
    settings = context.settings
    if settings.processing_log is None or settings.processing_activity is None:
        return None
    try:
        # OpenTelemetry is an optional dependency.
        from runtime.telemetry.processing_spans import ProcessingLogSender  # noqa: PLC0415
    except ImportError as error:
        raise ServiceError(
            "LIVETWIN_PROCESSING_LOG is set, which needs OpenTelemetry: install livetwin[tracing]"
        ) from error
    sender = ProcessingLogSender(settings.processing_log, settings.processing_activity)
    return ProcessingLog(context.database, sender, context.clock, context.metrics)


def _abort_connections(server: uvicorn.Server) -> None:
    """End the connections whose clients did not read the rest of their answer in time."""
    for connection in list(server.server_state.connections):
        cast(BoundedHttpProtocol | BoundedWebSocketProtocol, connection).transport.abort()


def _configuration(context: ApiContext) -> uvicorn.Config:
    settings = context.settings
    tls = settings.tls()
    waiting = WaitingAnswers(settings.waiting_bytes_max, context.metrics)
    configuration = uvicorn.Config(
        create_app(context),
        host=settings.host,
        port=settings.port,
        http=BoundedHttpProtocol.with_limits(
            settings.connections_max,
            head_timeout_s=context.head_timeout_s,
            write_timeout_s=settings.write_timeout_s,
            waiting=waiting,
            metrics=context.metrics,
            headers=standard_headers(settings.tiles, settings.sign_in_origins),
        ),
        ws=BoundedWebSocketProtocol.with_limits(
            write_timeout_s=settings.write_timeout_s, waiting=waiting, metrics=context.metrics
        ),
        ws_max_size=MESSAGE_BYTES_MAX,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PONG_TIMEOUT_S,
        # Each connection would have a compressor of its own.
        ws_per_message_deflate=False,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=SHUTDOWN_S,
        server_header=False,
        # Behind a reverse proxy on this machine the scheme is that of the client's request to the proxy.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
    configuration.load()
    if tls is not None:
        configuration.ssl = tls
    return configuration


async def _serve(server: uvicorn.Server, settings: ApiSettings) -> None:
    try:
        await server.serve()
    except SystemExit as error:
        # uvicorn exits when it cannot listen; it has logged why.
        raise ServiceError(
            f"the HTTP server cannot listen on {settings.host}:{settings.port}; "
            "is the port taken? Choose another with LIVETWIN_PORT"
        ) from error


async def _follow_model(context: ApiContext, models: CityModelSource) -> None:
    async for model in models.watch():
        context.hub.set_model(model)
        log.info(
            "the city model has version %d now",
            model.version,
            extra={"event": "api.model", "version": model.version},
        )


async def _announce(context: ApiContext, server: uvicorn.Server) -> None:
    await context.log_follower.ready.wait()
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(_PAUSE_S)
    notify_ready()
    scheme = "http" if context.settings.tls_cert is None else "https"
    host, port = context.settings.host, context.settings.port
    log.info("ready: %s://%s:%d/", scheme, host, port, extra={"event": "api.ready"})
