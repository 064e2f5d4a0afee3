"""What can be set from outside: `BIHUAN_*` in the environment or in `.env`. The README lists the same names; a test compares."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.causes import faults_in_words
from engine.definition import said
from engine.errors import FolderError, Locale, Text

PREFIX = "BIHUAN_"
SERVERS = frozenset({"postgresql", "postgresql+psycopg"})
SECRET = "BIHUAN_SECRET_"  # noqa: S105  before what `bihuan channel set` reads a secret from
FOR_THE_SHELL = "BIHUAN_API"  # the demo hands this one out, for curl


class Settings(BaseSettings):
    """Every setting with its default and its meaning. Frozen: a process is started with what holds for its whole life."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    data: Path = Field(Path("bihuan-data"), description="The data folder: database, uploaded files, marker")
    database_url: str | None = Field(
        None,
        description="Where the database is, if not in the data folder: `sqlite:///path` or `postgresql://user@host/name`",
    )
    database_sweep_url: str | None = Field(
        None, description="Whom sweeps and claims sign in as on a server; the same as above if not said"
    )
    database_owner_url: str | None = Field(
        None, description="Whom `db upgrade` signs in as on a server; the same as above if not said"
    )
    postgres_programs: Path | None = Field(
        None, description="Folder with pg_dump and pg_restore, for backups from a server; those on the PATH if not said"
    )
    host: str = Field("127.0.0.1", description="Address that `serve` listens on")
    port: int = Field(8000, ge=0, le=65535, description="Port that `serve` listens on; 0 takes a free one")
    public_url: str | None = Field(
        None, description="Where people reach this server; links in messages begin with it. Default: from host and port"
    )
    locale: Locale = Field("zh", description="Language of answers to whoever names none: zh or en")
    webhook_url: str | None = Field(
        None, description="Where messages are posted to, signed; none are while it is empty"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="`whsec_` and base64 of 24 to 64 bytes: signs the webhook's messages"
    )
    channels_inside: bool | None = Field(
        None,
        description="Whether what schools set up may send to addresses inside the server's own network; "
        "if not said: while the folder serves one organisation",
    )
    console: bool = Field(False, description="Also print every message to standard error")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is logged")
    log_format: Literal["console", "json"] = Field("console", description="Logs for reading, or one JSON object a line")
    tick_seconds: int = Field(30, ge=1, le=3600, description="How often `serve` looks for due deadlines and periods")
    deliver_seconds: int = Field(10, ge=1, le=3600, description="How often `serve` sends what waits to be sent")
    seal_seconds: int = Field(
        60, ge=1, le=3600, description="How often `serve` signs what was recorded; what came after is not covered yet"
    )
    seal_file: Path | None = Field(
        None,
        description="A file outside, to which each signed checkpoint is appended as a line of JSON; none while it is empty",
    )
    stop_seconds: int = Field(
        25, ge=1, le=600, description="How long whoever is told to stop may finish what is under way; then it leaves"
    )
    max_upload_bytes: int = Field(10 * 1024 * 1024, ge=1024, description="Largest picture that is taken")
    max_document_bytes: int = Field(20 * 1024 * 1024, ge=1024, description="Largest document that is taken")
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What whoever reads `/metrics` shows as `Authorization: Bearer …`; closed to all while it is empty",
    )
    queue_limit: int = Field(
        1000, ge=1, description="Commands that may wait for the writer; beyond it the answer is 429"
    )
    session_idle_minutes: int = Field(
        720, ge=5, le=10080, description="Who uses the pages no more is signed out after so long"
    )
    session_hours: int = Field(168, ge=1, le=2160, description="Signing in holds no longer than this")

    @field_validator("database_url")
    @classmethod
    def _a_database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, _, rest = value.partition(":")
        if scheme in SERVERS:
            return value
        if scheme != "sqlite":
            raise said(
                Text(
                    f"数据存于 SQLite（sqlite:///路径）或 PostgreSQL（postgresql://用户@主机/库名），不支持“{scheme}”",
                    "data is kept in SQLite (sqlite:///path) or PostgreSQL (postgresql://user@host/name); "
                    f"{scheme!r} is neither",
                )
            )
        path = rest.removeprefix("///").partition("?")[0]
        if not rest.startswith("///") or path in {"", ":memory:"} or path.startswith("file:"):
            raise said(Text("须指明一个文件：sqlite:///路径", "has to name a file: sqlite:///path"))
        return value

    @field_validator("database_sweep_url", "database_owner_url")
    @classmethod
    def _a_server(cls, value: str | None) -> str | None:
        if value is not None and value.partition(":")[0] not in SERVERS:
            raise said(
                Text(
                    "只用于 PostgreSQL（postgresql://用户@主机/库名）",
                    "is for PostgreSQL alone: postgresql://user@host/name",
                )
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            address = urlsplit(value)
            whole = address.scheme in {"http", "https"} and bool(address.hostname)
        except ValueError:
            whole = False
        if not whole:
            raise said(
                Text(
                    "应为完整的网址，如 https://bihuan.example.org",
                    "has to be a whole address such as https://bihuan.example.org",
                )
            )
        return value

    @property
    def on_server(self) -> bool:
        """Whether a server keeps the database, and any number of processes share it."""
        return self.database_url is not None and self.database_url.partition(":")[0] in SERVERS

    @property
    def secure(self) -> bool:
        """Whether people reach this server over https: cookies are for nothing else then."""
        return self.reached_at.startswith("https:")

    @property
    def session_idle(self) -> timedelta:
        return timedelta(minutes=self.session_idle_minutes)

    @property
    def reached_at(self) -> str:
        """The address that links begin with."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def read_settings(**given: object) -> Settings:
    """The settings that hold, with what the command line gave in front.

    Raises    FolderError with a sentence naming each setting that cannot be used
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = faults_in_words(error, prefix=PREFIX)
        raise FolderError(Text(f"设置有误：{wrong.zh}。", f"A setting cannot be used: {wrong.en}.")) from None
    except (OSError, UnicodeError) as error:
        raise FolderError(
            Text(
                "当前目录的 .env 无法读取。它应是 UTF-8 编码的文本文件，且本用户可读。",
                "The file .env in this folder cannot be read. It has to be text in UTF-8 that you may read.",
            )
        ) from error


def unknown_names() -> list[str]:
    """The `BIHUAN_*` names in the environment and in `.env` that are no setting: most likely misspelt."""
    known = {name for name, _, _ in documented()} | {FOR_THE_SHELL}
    given = {*os.environ, *dotenv_values(".env", interpolate=False)}
    ours = (name for name in given if name.upper().startswith(PREFIX) and not name.upper().startswith(SECRET))
    return sorted(name for name in ours if name.upper() not in known)


def documented() -> list[tuple[str, str, str]]:
    """(name, default, meaning) of every setting, as the README's table says it."""
    rows = []
    for name, info in Settings.model_fields.items():
        default = "" if info.default is None else str(info.default)
        rows.append((f"{PREFIX}{name.upper()}", default, str(info.description)))
    return rows
