"""Settings that all roles share. The settings of each role extend them; `cli` reads them once."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.kafka.access import KafkaAccess, SaslMechanism, SecurityProtocol
from runtime.secret_files import SecretFileSource
from runtime.telemetry.logs import LogFormat
from runtime.tls import TlsFiles


class RoleSettings(BaseSettings):
    """Settings of every role, from environment variables `LIVETWIN_*`; secrets also from files."""

    model_config = SettingsConfigDict(env_prefix="LIVETWIN_", frozen=True, extra="forbid")

    city: str = Field(default="alkmaar", description="Id of the city that this process serves.")
    kafka: str = Field(
        default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated."
    )
    kafka_protocol: SecurityProtocol = Field(
        default="PLAINTEXT",
        description="Protocol of Kafka: `PLAINTEXT`, `SSL` (TLS 1.2 and later) or `SASL_SSL` (TLS and "
        "a password). Certificates and host names of the brokers are always checked.",
    )
    kafka_ca: Path | None = Field(
        default=None,
        description="File of the trusted authorities (PEM) for the brokers' certificates; those of the "
        "system by default.",
    )
    kafka_cert: Path | None = Field(
        default=None, description="File of our own certificate (PEM), if Kafka requires one."
    )
    kafka_key: Path | None = Field(
        default=None, description="File of the unencrypted key of our certificate (PEM)."
    )
    kafka_mechanism: SaslMechanism = Field(
        default="SCRAM-SHA-512",
        description="How `SASL_SSL` proves the password; the alternative is `SCRAM-SHA-256`.",
    )
    kafka_username: str | None = Field(default=None, description="User name at Kafka, for `SASL_SSL`.")
    kafka_password: SecretStr | None = Field(default=None, description="Password at Kafka, for `SASL_SSL`.")
    kafka_replicas: int = Field(
        default=1,
        ge=1,
        le=32_767,
        description="Replicas of each topic that this process creates, at most as many as there are brokers; "
        "topics that exist stay as they are. A cluster has 3.",
    )
    partitions: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="Partitions of the topics `observations` and `updates`; never changes.",
    )
    database: SecretStr = Field(
        default=SecretStr("postgresql://livetwin@127.0.0.1:5432/livetwin"),
        description="PostgreSQL connection URI.",
    )
    state_dir: Path = Field(
        default=Path(".livetwin/state"),
        description="Folder for files that a role keeps between starts (copy of the model).",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address on which this role serves /metrics.")
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port on which this role serves /metrics; 0 disables it."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: LogFormat = Field(
        default="human",
        description="`human`: lines for people; `json`: one JSON object per line, for programs.",
    )
    trace_ratio: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the messages that OpenTelemetry traces from MQTT to the live stream; the "
        "same for every role. 0 disables traces.",
    )

    @field_validator("database")
    @classmethod
    def _check_connection_uri(cls, database: SecretStr) -> SecretStr:
        try:
            conninfo_to_dict(database.get_secret_value())
        except ProgrammingError:
            # The error's own message repeats its input, which may contain a password.
            raise ValueError(
                "postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters of the password as %XX"
            ) from None
        return database

    @model_validator(mode="after")
    def _check_kafka_access(self) -> Self:
        files = ("kafka_ca", "kafka_cert", "kafka_key")
        account = ("kafka_username", "kafka_password")
        allowed = {"PLAINTEXT": (), "SSL": files, "SASL_SSL": (*files, *account)}[self.kafka_protocol]
        for setting in (*files, *account):
            if getattr(self, setting) is not None and setting not in allowed:
                raise ValueError(
                    f"LIVETWIN_{setting.upper()} is set, and LIVETWIN_KAFKA_PROTOCOL is "
                    f"{self.kafka_protocol}: "
                    f"expected {'SSL or ' if setting in files else ''}SASL_SSL"
                )
        if self.kafka_protocol == "SASL_SSL" and (self.kafka_username is None or self.kafka_password is None):
            raise ValueError(
                "LIVETWIN_KAFKA_PROTOCOL is SASL_SSL: set LIVETWIN_KAFKA_USERNAME and LIVETWIN_KAFKA_PASSWORD"
            )
        if self.kafka_key and not self.kafka_cert:
            raise ValueError("LIVETWIN_KAFKA_KEY is set, and LIVETWIN_KAFKA_CERT is not: set both")
        return self

    def kafka_access(self) -> KafkaAccess:
        """Return the access that these settings describe. Raises TlsError when a file cannot be used."""
        files = TlsFiles(
            authorities=self.kafka_ca,
            certificate=self.kafka_cert,
            key=self.kafka_key,
            names=("LIVETWIN_KAFKA_CA", "LIVETWIN_KAFKA_CERT", "LIVETWIN_KAFKA_KEY"),
        )
        password = self.kafka_password
        return KafkaAccess(
            servers=self.kafka,
            protocol=self.kafka_protocol,
            tls=None if self.kafka_protocol == "PLAINTEXT" else files.context(),
            mechanism=self.kafka_mechanism,
            username=self.kafka_username,
            password=None if password is None else password.get_secret_value(),
            replicas=self.kafka_replicas,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, in this order: the caller, the environment, files of secrets."""
        return init_settings, env_settings, SecretFileSource(settings_cls)
