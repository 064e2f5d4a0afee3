import logging
import threading
from pathlib import Path

import pytest

from api.scheduler import Scheduler, _looked_after
from api.sources import DirectoryOfTheEngine, OutboxOfTheEngine
from engine.commands import Asked, OpenCase
from engine.errors import Busy, Text
from engine.handle import handle_one
from notifications.accounts import AccountBook
from notifications.message import Outgoing
from notifications.office import PostOffice
from notifications.worker import DeliveryWorker
from tests.builders import a_runtime, a_school
from tests.databases import Kind
from tests.notifications.fakes import FailingChannel, OpenVault


def test_a_late_tick_still_runs_and_two_never_run_at_once(tmp_path: Path, kind: Kind) -> None:
    runtime = a_runtime(tmp_path, kind)
    scheduler = Scheduler(runtime)
    scheduler.start()
    jobs = {job.id: job for job in scheduler._jobs.get_jobs()}
    assert set(jobs) == {"tick", "seal", "sweep", "deliver by inbox", *(f"deliver by {kind}" for kind in runtime.kinds)}
    for job in jobs.values():
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)
    scheduler.stop()
    runtime.close()


def test_a_job_that_fails_runs_again(tmp_path: Path, kind: Kind) -> None:
    runtime = a_runtime(tmp_path, kind, tick_seconds=1)
    ran = threading.Semaphore(0)

    def broken() -> None:
        ran.release()
        raise RuntimeError("the first tick breaks, and so does the second")

    runtime.tick = broken  # type: ignore[method-assign,assignment]  # a defect, put where the job will meet it
    scheduler = Scheduler(runtime)
    scheduler.start()
    assert ran.acquire(timeout=10) and ran.acquire(timeout=10)
    scheduler.stop()
    runtime.close()


WORDS = Text("磁盘已满", "the disk is full")


@pytest.mark.parametrize(
    "error, level, traceback",
    [
        (Busy(asked=WORDS, obstacle=WORDS, remedy=WORDS), logging.WARNING, False),
        (RuntimeError("a defect"), logging.ERROR, True),
    ],
    ids=["what comes again", "a defect"],
)
def test_a_job_that_fails_is_told_once(
    error: Exception, level: int, traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise error

    _looked_after("tick", broken, lambda: None)()
    [told] = caplog.records
    assert told.levelno == level
    assert ("exc_info" in str(told.msg)) == traceback


def test_nothing_ticks_in_a_folder_that_was_moved_away(tmp_path: Path, kind: Kind) -> None:
    runtime = a_runtime(tmp_path / "data", kind)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    ran: list[str] = []
    _looked_after("tick", lambda: ran.append("tick"), runtime.writer.must_be_in_place)()
    assert ran == []
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    _looked_after("tick", lambda: ran.append("tick"), runtime.writer.must_be_in_place)()
    assert ran == ["tick"]
    runtime.close()


def test_who_is_told_to_stop_begins_no_job_any_more(tmp_path: Path, kind: Kind) -> None:
    runtime = a_runtime(tmp_path / "data", kind)
    ran: list[str] = []
    job = Scheduler(runtime)._unless_stopping(lambda: ran.append("tick"))
    job()
    runtime.stop_soon()
    job()
    assert ran == ["tick"]
    runtime.close()


def test_a_channel_that_hangs_holds_up_no_other(tmp_path: Path, kind: Kind) -> None:
    runtime = a_runtime(tmp_path / "data", kind, deliver_seconds=1)
    school = a_school(runtime.database)
    hangs, released, arrived = threading.Event(), threading.Event(), threading.Semaphore(0)

    def hang(_message: Outgoing) -> None:
        hangs.set()
        released.wait()

    slow = FailingChannel("slow", serves="organisation", on_send=hang)
    quick = FailingChannel("quick", serves="organisation", on_send=lambda _: arrived.release())
    runtime.worker = DeliveryWorker(
        PostOffice(
            runtime.database,
            OutboxOfTheEngine(),
            DirectoryOfTheEngine(runtime.clock, runtime.engine.catalog),
            [slow, quick],
            AccountBook(OpenVault()),
            runtime.clock,
        )
    )
    scheduler = Scheduler(runtime)
    scheduler.start()
    for turn in range(3):  # the later ones were not yet written when the first began to hang
        report = OpenCase("repair", {"title": f"report {turn}", "place": "A"})
        handle_one(runtime.engine, Asked(school.actor("teacher"), report))
        assert arrived.acquire(timeout=30)
        assert hangs.wait(30)
    assert (len(slow.tries), slow.arrived) == (1, [])
    runtime.stop_soon()
    released.set()
    scheduler.stop()
    assert [len(slow.arrived), len(quick.arrived)] == [1, 3]
    runtime.close()
