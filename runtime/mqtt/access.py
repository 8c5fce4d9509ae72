"""Access to the MQTT broker: its address, credentials and TLS, and the settings for them."""

from __future__ import annotations

import logging
import ssl
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from paho.mqtt.client import Client
from pydantic import Field, SecretStr, model_validator

from runtime.settings import RoleSettings
from runtime.tcp_keepalive import enable_keepalive
from runtime.tls import TlsFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAccess:
    """A broker, and the credentials for it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None  #: None: without TLS

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    def configure_client(self, client: Client) -> None:
        """Set logging, keep-alive, credentials and TLS of a client; call it before the client connects."""
        client.enable_logger(logging.getLogger("paho"))
        client.on_socket_open = lambda _client, _userdata, connection: enable_keepalive(connection)
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.tls is not None:
            client.tls_set_context(self.tls)


def connect_error() -> str:
    """Return why paho could not connect; call it in `on_connect_fail`, while paho handles the error."""
    error = sys.exc_info()[1]
    return str(error) if error is not None else "no answer"


class MqttSettings(RoleSettings):
    """Environment variables `LIVETWIN_MQTT_*` of the roles that use MQTT."""

    mqtt_host: str = Field(default="127.0.0.1", description="Host of the MQTT broker.")
    mqtt_port: int = Field(default=1883, ge=1, le=65535, description="Port of the MQTT broker.")
    mqtt_username: str | None = Field(default=None, description="User name at the MQTT broker.")
    mqtt_password: SecretStr | None = Field(default=None, description="Password at the MQTT broker.")
    mqtt_tls: bool = Field(
        default=False,
        description="Whether MQTT uses TLS (1.2 and later). The broker's certificate and host name are "
        "always checked. The usual port is 8883.",
    )
    mqtt_tls_ca: Path | None = Field(
        default=None,
        description="File of the trusted authorities (PEM) for the broker's certificate; those of the system "
        "by default.",
    )
    mqtt_tls_cert: Path | None = Field(
        default=None, description="File of our own certificate (PEM), if the broker requires one."
    )
    mqtt_tls_key: Path | None = Field(
        default=None, description="File of the unencrypted key of our certificate (PEM)."
    )

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        given = [name for name in ("mqtt_tls_ca", "mqtt_tls_cert", "mqtt_tls_key") if getattr(self, name)]
        if given and not self.mqtt_tls:
            raise ValueError(f"LIVETWIN_{given[0].upper()} is set, and LIVETWIN_MQTT_TLS is not: set both")
        if self.mqtt_tls_key and not self.mqtt_tls_cert:
            raise ValueError("LIVETWIN_MQTT_TLS_KEY is set, and LIVETWIN_MQTT_TLS_CERT is not: set both")
        return self

    def mqtt_access(self) -> MqttAccess:
        """Return the access that these settings describe. Raises TlsError when a file cannot be used."""
        files = TlsFiles(
            authorities=self.mqtt_tls_ca,
            certificate=self.mqtt_tls_cert,
            key=self.mqtt_tls_key,
            names=("LIVETWIN_MQTT_TLS_CA", "LIVETWIN_MQTT_TLS_CERT", "LIVETWIN_MQTT_TLS_KEY"),
        )
        password = self.mqtt_password
        return MqttAccess(
            host=self.mqtt_host,
            port=self.mqtt_port,
            username=self.mqtt_username,
            password=None if password is None else password.get_secret_value(),
            tls=files.context() if self.mqtt_tls else None,
        )
