"""A real Chromium. Where there is none, the journeys say so loudly; where the project itself is checked, that fails."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.desk import Desk, a_desk, chromium, found_chromium, picture_of
from tests.journeys.campus import a_campus

MISSING = (
    "NO CHROMIUM FOUND: the pages were not tried in a browser. Install one (Debian: chromium, fonts-wqy-microhei) or name "
    "one in BIHUAN_CHROMIUM"
)


@pytest.fixture(scope="module")
def _opened() -> Iterator[Browser]:
    """One a module and no longer: what drives it keeps an event loop running in this thread, in which no other test could run
    its own. To begin one takes as long as half a journey.
    """
    path = found_chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with chromium(path) as opened:
        yield opened


@pytest.fixture
def browser(_opened: Browser) -> Iterator[Browser]:
    """With nothing open in it; what a test opens in it has its own cookies and store, and is closed after it."""
    yield _opened
    for context in _opened.contexts:
        context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the page looked like where a journey failed, beside the test's own files."""
    report = yield
    if report.when == "call" and report.failed and (folder := getattr(item, "funcargs", {}).get("tmp_path")):
        for number, page in enumerate(page for context in _contexts(item) for page in context.pages):
            picture_of(page, Path(folder) / f"failed-{number}.png")
    return report


def _contexts(item: pytest.Item) -> list[BrowserContext]:
    opened: Browser | None = getattr(item, "funcargs", {}).get("browser")
    return [] if opened is None else opened.contexts


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_campus(tmp_path, "sqlite") as campus, a_desk(campus) as opened:
        yield opened
