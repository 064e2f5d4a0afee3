"""Structured logs on standard error: for reading, or one JSON object a line. Never a token, never what somebody typed."""

import logging
import sys
from typing import Literal

import structlog
import structlog.tracebacks

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, form: Literal["console", "json"]) -> None:
    """Send our own logs and those of the libraries the same way. Called once by whoever starts a process.

    A log line's words are under `message`; `case` and `event` say which case and which of its events it is about
    (written as `_event`, since structlog keeps that name for the words themselves).
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shared.append(_plain)
    renamed = structlog.processors.EventRenamer("message", "_event")
    last: list[structlog.types.Processor]
    if form == "json":
        last = [
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            renamed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        # plain tracebacks: the fancy ones print local variables, and those hold tokens and people's words
        plain = structlog.dev.plain_traceback
        last = [
            renamed,
            structlog.dev.ConsoleRenderer(event_key="message", exception_formatter=plain, colors=sys.stderr.isatty()),
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a test that configures anew must reach loggers made earlier
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])
    for noisy in ("apscheduler", "httpx", "httpcore", "uvicorn.access", "alembic", "PIL", "transitions"):
        logging.getLogger(noisy).setLevel(max(LEVELS[level], logging.WARNING))


def _plain(_logger: object, _name: str, said: structlog.types.EventDict) -> structlog.types.EventDict:
    """Without uvicorn's second copy of its words, meant for a colour terminal."""
    said.pop("color_message", None)
    return said
