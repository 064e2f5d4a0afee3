import threading
from pathlib import Path

from api.scheduler import Scheduler
from tests.builders import a_runtime


def test_a_late_tick_still_runs_and_two_never_run_at_once(tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path)
    scheduler = Scheduler(runtime)
    scheduler.start()
    jobs = {job.id: job for job in scheduler._jobs.get_jobs()}
    assert set(jobs) == {"tick", "deliver", "sweep"}
    for job in jobs.values():
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)
    scheduler.stop()
    runtime.close()


def test_a_job_that_fails_runs_again(tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path, tick_seconds=1)
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
