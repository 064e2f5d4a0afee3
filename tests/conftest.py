"""What several rooms of tests share: the demo's campaign, played once a run whatever the number of workers."""

import gc
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

from api import logs
from api.demo import play
from api.garbage import keep_what_is_there
from api.settings import Settings
from engine.store.database import Database
from tests.databases import KINDS, Kind, dropping_copies
from tests.fakes import hearing
from tests.journeys.rows import not_shown, rows_of
from tests.scratch import write_there

# How long an example may take is the benches' business: a machine that is busy with other work is no defect.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


@dataclass(frozen=True)
class Played:
    """The campaign as it was played: what it counted, and its data folder, which is not to be written to."""

    counted: dict[str, Any]
    folder: Path

    def copied_to(self, path: Path) -> Path:
        """A data folder of one's own to write to."""
        return Path(shutil.copytree(self.folder, path, ignore=shutil.ignore_patterns("*.lock")))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine has set for its own Bihuan is not what is tested."""
    for name in list(os.environ):
        if name.startswith("BIHUAN_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    """Unconfigured, each command and each request is told in colours, a tenth of what a request takes."""
    logs.configure("warning", "console")


@pytest.fixture(autouse=True)
def _shows_what_its_row_says(request: pytest.FixtureRequest) -> Iterator[None]:
    """A journey that stands for a row of the founding document drives the loops of its row, or fails."""
    rows = rows_of(request.node.module.__name__, getattr(request.node, "originalname", request.node.name))
    if not rows:
        yield
        return
    with hearing() as answered:
        yield
    wrong = {row.words: missing for row in rows if (missing := not_shown(row, answered))}
    assert not wrong, f"the rows of this journey (tests/journeys/rows.py) name what it did not step through: {wrong}"


write_there()

gc.disable()  # until everything is imported and collected: looking through it on the way finds nothing that is garbage


def pytest_collection_finish() -> None:
    """What is there now stays to the end, and afterwards garbage is looked for as seldom as in a process of ours. Looking through
    everything again and again took a sixth of a run's time, as often as is usual a fifteenth of the rest (measured).
    """
    keep_what_is_there()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is slow comes first in each worker's share, module by module: so a run ends with short tests, nobody waits long for
    the others, and who takes over work from another takes no half of a module that prepares something large.
    """
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    slow = [each for each in modules.values() if any(item.get_closest_marker("slow") for item in each)]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    shares = [[item for each in slow[n::workers] for item in each] for n in range(workers)]
    first = {item for share in shares for item in share}
    others = [item for item in items if item not in first]
    for share in shares[:-1]:  # xdist gives the first worker the first part of all, and so on
        missing = max(0, len(items) // workers - len(share))
        share.extend(others[:missing])
        del others[:missing]
    items[:] = [item for share in (*shares, others) for item in share]


def pytest_report_header() -> str:
    return f"databases: {' and '.join(KINDS)}"


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of database: whoever asks runs on both. The one place that decides it."""
    asked: Kind = request.param
    return asked


@pytest.fixture(autouse=True)
def _no_copies_left() -> Iterator[None]:
    with dropping_copies():
        yield


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The whole campaign in a data folder. The first worker that asks plays it, the others wait for it."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder, counted = shared / "campaign", shared / "campaign.json"
    with FileLock(shared / "campaign.lock"):
        if not counted.exists():
            report = play(Settings(data=folder, _env_file=None))
            counted.write_text(json.dumps(report.to_json()), encoding="utf-8")
    return Played(json.loads(counted.read_text(encoding="utf-8")), folder)


@pytest.fixture
def campaign_database(campaign: Played, tmp_path: Path) -> Iterator[Database]:
    """A copy of the campaign's database to look into and to alter."""
    copied = Database.in_file(campaign.copied_to(tmp_path / "campaign") / "bihuan.db")
    yield copied
    copied.close()
