"""Access to Kafka: its addresses, credentials, TLS, and the replicas of topics that we create."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

SecurityProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_SSL"]
"""Plain text, TLS, or TLS with a password. A password without TLS is not supported."""

SaslMechanism: TypeAlias = Literal["SCRAM-SHA-512", "SCRAM-SHA-256"]
"""How a client proves its password; neither mechanism sends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaAccess:
    """Kafka's bootstrap servers, and the credentials for them."""

    servers: str  #: host:port, comma-separated
    protocol: SecurityProtocol = "PLAINTEXT"
    tls: ssl.SSLContext | None = None
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    replicas: int = 1  #: of each topic that we create

    def __str__(self) -> str:
        return self.servers


Kafka: TypeAlias = KafkaAccess | str
"""A plain address means Kafka without TLS and password, such as the embedded broker."""


def client_options(kafka: Kafka) -> dict[str, Any]:
    """Return the options of aiokafka's clients.

    >>> client_options("127.0.0.1:9092")
    {'bootstrap_servers': '127.0.0.1:9092'}
    """
    if isinstance(kafka, str):
        return {"bootstrap_servers": kafka}
    options: dict[str, Any] = {"bootstrap_servers": kafka.servers, "security_protocol": kafka.protocol}
    if kafka.tls is not None:
        options["ssl_context"] = kafka.tls
    if kafka.protocol == "SASL_SSL":
        options |= {
            "sasl_mechanism": kafka.mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password,
        }
    return options
