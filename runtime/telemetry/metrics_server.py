"""The HTTP server of /metrics: a thread for each connection, and few connections at one time.

The server of prometheus_client starts a thread for any number of connections, and waits for requests without
limit: whoever reaches the port could use up threads and files of the process.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 16
"""A further connection closes the oldest one."""

SILENCE_S_MAX = 10.0
"""A connection that sends or takes nothing for this time is closed."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """A server with bounded connections."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._lock = threading.Lock()
        self._open: deque[socket.socket] = deque()  # oldest first
        super().__init__(*arguments, **options)

    @property
    def connections(self) -> int:
        """The number of connections at this time."""
        with self._lock:
            return len(self._open)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection; close the oldest one if there are too many."""
        with self._lock:
            self._open.append(request)
            oldest = self._open.popleft() if len(self._open) > CONNECTIONS_MAX else None
        if oldest is not None:
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock, suppress(ValueError):
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what ended a connection, without a traceback: clients may do anything."""
        log.debug(
            "a connection to /metrics ended: %r", sys.exception(), extra={"event": "metrics.connection_ended"}
        )


class RequestHandler(WSGIRequestHandler):
    """Handles the request of one connection."""

    timeout = SILENCE_S_MAX

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log no requests."""


def start_metrics_server(registry: CollectorRegistry, host: str, port: int) -> MetricsServer:
    """Serve a registry from a thread of its own. Raises OSError if the address cannot be used."""
    addresses: Iterable[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, address = next(iter(addresses))

    class Server(MetricsServer):
        address_family = family

    server = make_server(address[0], port, make_wsgi_app(registry), Server, RequestHandler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
