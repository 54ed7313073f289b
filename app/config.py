"""Settings of the service, read once from the environment or `.env`; no other file reads the environment."""

import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting is `PILOTLIGHT_<NAME>`; the README lists them."""

    model_config = SettingsConfigDict(env_prefix="PILOTLIGHT_", env_file=".env", extra="ignore")

    var_dir: Path = Field(default=Path("var"), description="Folder of the embedded database, secret and caches")
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; empty: SQLite under var_dir")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64, description="Analyses that run at once in one worker")
    secret_key: SecretStr | None = Field(default=None, description="Made under var_dir when missing")
    environment: Literal["development", "production"] = "development"
    webhook_allow: str = Field(default="", description="Hosts or networks webhooks may reach although private")
    webhook_ca_file: Path | None = Field(
        default=None, description="Certificates of authorities trusted beside the usual"
    )
    webhook_timeout_seconds: float = Field(default=15, gt=0, le=60, description="For one try of a delivery, in all")
    webhook_retry_seconds: str = Field(
        default="5,300,1800,7200,18000,36000,50400,72000,86400", description="Waits before the tries after the first"
    )
    webhook_payload_days: int = Field(default=90, ge=1, description="Then payloads and kept answers are expunged")
    cache_dir: Path | None = Field(default=None, description="Compile caches; empty: under var_dir")
    max_body_bytes: int = Field(default=16 * 2**20, ge=2**10)
    import_max_bytes: int = Field(default=512 * 2**20, ge=2**10, description="Of a file that is imported")
    analysis_timeout_seconds: float = Field(default=600, gt=0)
    analysis_memory_bytes: int = Field(
        default=4 * 2**30, ge=2**28, description="What one piece of work may take before it is ended as too large"
    )
    analysis_attempts: int = Field(default=3, ge=1, description="Tries before an analysis is given up as failed")
    lease_seconds: float = Field(default=15, gt=0, description="Silence after which a worker counts as dead")
    smallest_cell: int = Field(
        default=5, ge=1, le=1000, description="Groups of fewer people are not shown; 1 shows everything"
    )
    requests_per_minute: int = Field(
        default=12_000, ge=0, description="Of one key, at each API process; 0: as many as come"
    )
    queue_per_organization: int = Field(
        default=200, ge=1, description="Analyses (simulations, imports, …) of an organization that may wait at once"
    )
    otlp_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", description="Collector that spans are sent to"
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Where a worker alone offers its metrics; 0: nowhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @cached_property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        if self.database_url:
            return self.database_url
        return f"sqlite:///{self.var_dir.resolve() / 'pilotlight.db'}"

    @property
    def embedded(self) -> bool:
        """Whether the service runs on SQLite, API and worker in one process."""
        return self.url.startswith("sqlite")

    @cached_property
    def compile_cache(self) -> Path:
        """Folder of the compile caches of the analyses."""
        return (self.cache_dir or self.var_dir / "cache").resolve()

    def prepare(self) -> None:
        """Make the folders and, when missing, the secret key (mode 0600)."""
        self.var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.compile_cache.mkdir(parents=True, exist_ok=True)
        path = self.var_dir / "secret_key"
        if self.secret_key is None and not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))

    def secret(self) -> str:
        """The key that other secrets are protected with."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return (self.var_dir / "secret_key").read_text().strip()
