"""Settings that several roles share. Each role's own settings extend these; `cli` reads them once."""

from __future__ import annotations

from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.secret_files import SecretFiles


class RoleSettings(BaseSettings):
    """What every role needs, from environment variables `LIVETWIN_*`; secrets also from files."""

    model_config = SettingsConfigDict(env_prefix="LIVETWIN_", frozen=True, extra="forbid")

    city: str = Field(default="alkmaar", description="Id of the city that this process serves.")
    kafka: str = Field(
        default="127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated."
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
        description="Folder for what a role keeps between starts (model copy).",
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of this role's /metrics on loopback; 0 switches it off."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("database")
    @classmethod
    def _is_connection_uri(cls, database: SecretStr) -> SecretStr:
        try:
            conninfo_to_dict(database.get_secret_value())
        except ProgrammingError:
            # Its message repeats what it could not read, and there may be a password in that.
            raise ValueError(
                "postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters of the password as %XX"
            ) from None
        return database

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return what is asked for a setting, in order: the caller, the environment, the files it names."""
        return init_settings, env_settings, SecretFiles(settings_cls)
