"""The ticking of a serving process. The database is the truth about time: these jobs only look, and may be late or doubled."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from api.bootstrap import Runtime
from engine.errors import Busy

log = structlog.get_logger(__name__)

SWEEP_EVERY = timedelta(hours=6)  # what is swept has waited a week or a month; hours do not matter
Job = Callable[[], None]

JITTER_PART = 10  # a tenth of the interval, so that several nodes do not look at the same moment


class Scheduler:
    """Ticks, delivers, seals and sweeps for as long as a process serves."""

    def __init__(self, runtime: Runtime) -> None:
        self._jobs = BackgroundScheduler(
            jobstores={
                "default": MemoryJobStore()
            },  # jobs in a database ran doubled and were dropped; deadlines are rows
            # one thread a job: a slow channel delays no tick, and no other channel
            executors={"default": ThreadPoolExecutor(3 + len(runtime.worker.lanes))},
            job_defaults={
                "misfire_grace_time": None,  # the default drops a run that is a second late
                "coalesce": True,
                "max_instances": 1,
            },
            timezone="UTC",
        )
        self._runtime = runtime
        self._every(timedelta(seconds=runtime.settings.tick_seconds), "tick", runtime.tick, self._beating)
        for lane in runtime.worker.lanes:
            deliver = partial(runtime.deliver, lane)
            self._every(timedelta(seconds=runtime.settings.deliver_seconds), f"deliver by {lane}", deliver)
        self._every(timedelta(seconds=runtime.settings.seal_seconds), "seal", runtime.seal)
        self._every(SWEEP_EVERY, "sweep", runtime.sweep)

    def start(self) -> None:
        self._runtime.heartbeat.starts()
        self._jobs.start()

    def stop(self) -> None:
        """Start no more jobs and wait for those that run."""
        self._jobs.shutdown(wait=True)

    def _every(
        self, interval: timedelta, name: str, job: Callable[[], object], around: Callable[[Job], Job] = lambda job: job
    ) -> None:
        trigger = IntervalTrigger(
            seconds=int(interval.total_seconds()), jitter=interval.total_seconds() / JITTER_PART, timezone="UTC"
        )
        looked_after = _looked_after(name, job, self._runtime.writer.must_be_in_place)
        self._jobs.add_job(self._unless_stopping(around(looked_after)), trigger, id=name, name=name)

    def _beating(self, job: Job) -> Job:
        """Also a tick that failed is one: this says that somebody ticks, the log and the lag how well."""

        def run() -> None:
            self._runtime.heartbeat.begins()
            try:
                job()
            finally:
                self._runtime.heartbeat.ends()

        return run

    def _unless_stopping(self, job: Job) -> Job:
        def run() -> None:
            if not self._runtime.stopping.is_set():
                job()

        return run


def _looked_after(name: str, job: Callable[[], object], in_place: Callable[[], None]) -> Callable[[], None]:
    """The job, its failure logged in our words: the next run is the remedy."""

    def run() -> None:
        try:
            in_place()
            job()
        except Busy as busy:  # a full disk, a database held by another: nothing a traceback would explain
            log.warning("job_put_off", job=name, why=busy.sentence("en"))
        except Exception:
            log.exception("job_failed", job=name)

    return run
