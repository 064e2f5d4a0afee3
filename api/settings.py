"""What can be set from outside: `BIHUAN_*` in the environment or in `.env`. The README lists the same names; a test compares."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.errors import FolderError, Locale, Text

PREFIX = "BIHUAN_"


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
        None, description="Where the database is, if not in the data folder; this version speaks SQLite only"
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
    console: bool = Field(False, description="Also print every message to standard error")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is logged")
    log_format: Literal["console", "json"] = Field("console", description="Logs for reading, or one JSON object a line")
    tick_seconds: int = Field(30, ge=1, le=3600, description="How often `serve` looks for due deadlines and periods")
    deliver_seconds: int = Field(10, ge=1, le=3600, description="How often `serve` sends what waits to be sent")
    max_upload_bytes: int = Field(10 * 1024 * 1024, ge=1024, description="Largest picture that is taken")
    queue_limit: int = Field(
        1000, ge=1, description="Commands that may wait for the writer; beyond it the answer is 503"
    )

    @field_validator("database_url")
    @classmethod
    def _sqlite_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sqlite:///"):
            raise ValueError(
                f"this version keeps its data in SQLite (sqlite:///path); {value.split(':', 1)[0]!r} is not supported yet"
            )
        return value

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
        # never the value: it may be the webhook's secret
        wrong = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
        raise FolderError(Text(f"设置有误：{wrong}", f"A setting cannot be used: {wrong}")) from None


def documented() -> list[tuple[str, str, str]]:
    """(name, default, meaning) of every setting, as the README's table says it."""
    rows = []
    for name, info in Settings.model_fields.items():
        default = "" if info.default is None else str(info.default)
        rows.append((f"{PREFIX}{name.upper()}", default, str(info.description)))
    return rows
