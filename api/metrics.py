"""What a process counts, and how far behind its database says it is, in the words and units of Prometheus.

One object a process, with a registry of its own. Where several processes answer behind one socket they count into files of
one folder (`shared_by_processes`), and whichever of them is asked adds up what all of them counted, also those that died.
What the database says is the same whoever asks it: it is read when somebody asks, once for all.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from api import lags
from engine.commands import Asked, Command, FireTrigger, OpenCase, OpenPeriod, Recompute, Remind
from engine.errors import Busy, Refusal
from engine.handle import Done, Engine, Failed, Idle, Outcome
from engine.tick import Ticked
from notifications.message import NOBODY

__all__ = ["CONTENT_TYPE", "Metrics", "forget_process", "shared_by_processes"]

log = structlog.get_logger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for every first one, which nobody asks for
CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name; it decides by it, when it is imported, where to count
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # a group takes milliseconds
TICK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)  # after an outage minutes
PERIODS_EVERY_SECONDS = (
    60.0  # whose figure reads the table of what is owed; a period is opened by the half minute anyway
)

#: kinds of commands, whatever the loop
KINDS: Mapping[type[Command], str] = {
    OpenCase: "open",
    FireTrigger: "step",
    Remind: "remind",
    OpenPeriod: "open_period",
    Recompute: "recompute",
}
#: done       carried out and durable
#: replayed   carried out before under the same key; the first answer again
#: idle       nothing was left to do
#: refused    understood and not carried out
#: failed     stopped by a defect
#: busy       not written: too many waited, or the database was not there
OUTCOMES = ("done", "replayed", "idle", "refused", "failed", "busy")


class Metrics:
    """What this process counts. Counting is cheap and never raises.

    registry   this process's own; in the shared folder's place it only keeps names apart
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        own = registry or CollectorRegistry()
        self._commands = Counter(
            "bihuan_commands", "Commands, by kind and by what became of them.", ("kind", "outcome"), registry=own
        )
        self._command_seconds = Histogram(
            "bihuan_command_duration_seconds", "From a command being asked to its outcome being durable.", ("kind",),
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self._refusals = Counter(
            "bihuan_refusals", "Refusals that were answered, by the code of their problem.", ("code",), registry=own
        )
        self._strangers = Counter(
            "bihuan_strangers_turned_away",
            "Requests of nobody who is known here, by reason.",
            ("reason",),
            registry=own,
        )
        self._waiting = Gauge(
            "bihuan_writer_waiting_commands", "Commands that wait for the writer.", registry=own,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self._tick_seconds = Histogram(
            "bihuan_tick_duration_seconds", "How long a tick took that ran to its end.", buckets=TICK_SECONDS,
            registry=own,
        )  # fmt: skip
        self._last_tick = Gauge(
            "bihuan_last_tick_timestamp_seconds", "When the last tick ended, by the engine's clock; 0 before the first.",
            registry=own, multiprocess_mode="max",
        )  # fmt: skip
        for kind in KINDS.values():  # there from the start, so that the first of its kind is seen as a rise
            self._command_seconds.labels(kind)
            for outcome in OUTCOMES:
                self._commands.labels(kind, outcome)
        self._scraped = own
        if folder := os.environ.get(FOLDER):
            self._scraped = CollectorRegistry()
            MultiProcessCollector(self._scraped, folder)  # type: ignore[no-untyped-call]  # the one part that ships no types

    # --- counting ----------------------------------------------------------------------------------------------------

    def answered(self, asked: Asked, outcome: Outcome | Exception, seconds: float) -> None:
        """What became of a command that was asked so many seconds ago."""
        kind = KINDS[type(asked.command)]
        self._commands.labels(kind, _called(outcome)).inc()
        self._command_seconds.labels(kind).observe(seconds)

    def waits(self, commands: int) -> None:
        """So many commands wait for this process's writer now."""
        self._waiting.set(commands)

    def refused(self, refusal: Refusal) -> None:
        self._refusals.labels(refusal.code).inc()

    def stranger(self, reason: str) -> None:
        self._strangers.labels(reason).inc()

    def ticked(self, ticked: Ticked, seconds: float, at: datetime) -> None:
        """What a tick did, how long it took, and when it ended."""
        self._commands.labels(KINDS[OpenPeriod], "done").inc(ticked.opened)
        self._commands.labels(KINDS[Remind], "done").inc(ticked.reminded)
        for asked, error in ticked.failed:
            self._commands.labels(KINDS[type(asked.command)], _called(error)).inc()
        self._tick_seconds.observe(seconds)
        self._last_tick.set(at.timestamp())

    # --- telling -----------------------------------------------------------------------------------------------------

    def watch(self, engine: Engine) -> None:
        """Also tell what this engine's database says, whenever somebody asks."""
        self._scraped.register(_OfTheDatabase(engine))

    def told(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._scraped)


def _called(outcome: Outcome | Exception) -> str:
    if isinstance(outcome, Failed):
        return _called(outcome.error)
    if isinstance(outcome, Done):
        return "replayed" if outcome.replayed else "done"
    if isinstance(outcome, Idle):
        return "idle"
    if isinstance(outcome, Busy | OperationalError):  # a full disk, a server that is gone
        return "busy"
    if isinstance(outcome, Exception) and not isinstance(outcome, Refusal):
        return "failed"
    return "refused"


# --- what the database says ----------------------------------------------------------------------------------------------


class _OfTheDatabase(Collector):
    """Read when asked, in one short transaction. A database that does not answer is told as such, and is no error."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._periods: tuple[timedelta | None, float] | None = None

    def describe(self) -> Iterator[Metric]:
        """Nothing: whoever registers it need not have a database that answers."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("bihuan_database_up", "Whether the database answered; without it the rest is not told.")
        try:
            told = self._read()
        except (Busy, SQLAlchemyError) as error:
            log.warning("database_not_watched", why=str(error))
            told = []
        up.add_metric((), 1 if told else 0)
        yield up
        yield from told

    def _read(self) -> list[Metric]:
        now = self._engine.clock.now()
        with self._engine.database.read_across() as connection:
            lags.be_quick(connection)
            timers, notices = lags.of_timers(connection, now), lags.of_outbox(connection)
            channels = lags.of_deliveries(connection, now)
            unsealed = lags.of_seals(connection, now)
            failing = lags.of_channels(connection)
            late = self._late(lambda: lags.of_periods(connection, self._engine.catalog, now))
        deliveries = GaugeMetricFamily(
            "bihuan_deliveries",
            f"Deliveries by channel and status: those not settled, and those that go nowhere by themselves; "
            f"counted to {lags.MOST} each.",
            labels=("channel", "status"),
        )
        overdue = GaugeMetricFamily(
            "bihuan_deliveries_oldest_due_age_seconds",
            "Since when the oldest delivery waits that should have left, by channel.",
            labels=("channel",),
        )
        for of in channels:
            name = "none" if of.channel == NOBODY else of.channel
            for status, count in of.by_status.items():
                deliveries.add_metric((name, status), count)
            overdue.add_metric((name,), (now - of.due).total_seconds() if of.due else 0)
        down = GaugeMetricFamily(
            "bihuan_channels_failing",
            "Channels in use that do not work, by kind, over all organisations.",
            labels=("kind",),
        )
        for kind, count in sorted(failing.items()):
            down.add_metric((kind,), count)
        told = [
            _gauge("bihuan_due_timers", f"Rungs that fell due and were not told, counted to {lags.MOST}.", timers.count),
            _gauge(
                "bihuan_sweep_lag_seconds", "Since when the oldest rung is due that was not told; 0 for none.",
                timers.age(now).total_seconds(),
            ),
            _gauge(
                "bihuan_outbox_notices", f"Notices not yet turned into deliveries, counted to {lags.MOST}.", notices.count
            ),
            _gauge(
                "bihuan_outbox_oldest_age_seconds", "Age of the oldest of these notices; 0 for none.",
                notices.age(now).total_seconds(),
            ),
            _gauge(
                "bihuan_seal_age_seconds", "Since when the oldest event waits that no checkpoint covers; 0 for none.",
                unsealed.total_seconds(),
            ),
            deliveries,
            overdue,
            down,
        ]  # fmt: skip
        if late is not None:
            what = (
                f"Since when the oldest period has begun that has no row; 0 for none. "
                f"Looked at every {PERIODS_EVERY_SECONDS:.0f} s at most."
            )
            told.append(_gauge("bihuan_period_lag_seconds", what, late.total_seconds()))
        return told

    def _late(self, ask: Callable[[], timedelta]) -> timedelta | None:
        """What was said a moment ago, while it is fresh: this question costs more the more schools there are.

        None where it cannot be said: a calendar that nobody can read is one school's, and the other figures are everybody's.
        """
        with self._lock:
            at = self._monotonic()
            if self._periods is None or at - self._periods[1] > PERIODS_EVERY_SECONDS:
                try:
                    late: timedelta | None = ask()
                except (Busy, SQLAlchemyError):
                    raise
                except Exception:  # whatever a calendar that cannot be read raises; the log has it
                    log.exception("period_lag_not_known")
                    late = None
                self._periods = late, at
            return self._periods[0]


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


# --- several processes ---------------------------------------------------------------------------------------------------


@contextmanager
def shared_by_processes() -> Iterator[Path]:
    """A folder into which the processes that are started inside count together; it is gone afterwards.

    Not in the data folder: several machines may share that one, and these files are mapped into memory.
    """
    with tempfile.TemporaryDirectory(prefix="bihuan-metrics-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(FOLDER)
        os.environ[FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[FOLDER]
            else:
                os.environ[FOLDER] = before


def forget_process(folder: Path, process: int) -> None:
    """A process that died holds no queue any more. What it counted stays: counters only rise."""
    mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]  # of the part that ships no types, as above
