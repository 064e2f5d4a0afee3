"""The desk as people have it: our pages served to a real Chromium, on a campus whose clock the test holds.

with a_desk(campus) as desk, chromium() as browser:
    page = desk.of(browser, "teacher")             # signed in, at the start page
"""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import uvicorn
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, expect, sync_playwright

from api.app import create_app
from tests.builders import PASSWORD, a_runtime
from tests.fakes import calling
from tests.journeys.campus import Campus
from workflows import CATALOG

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PHONE, WIDE = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
Language = Literal["zh", "en"]
#: What the window around a page starts processes for, one or two a window, without anybody seeing it: pages of Chromium's own
#: under the address bar, and a process kept ready for the next site. A third of what a browser of one's own costs (measured).
#: Playwright's own list of this switch comes before ours and may not hold beside it: those features are then as people have them.
UNSEEN = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "SpareRendererForSitePerProcess")
PATIENCE_MS = 30_000  # a machine that is busy with other work is slow, not wrong


def found_chromium() -> str | None:
    """The program of `BIHUAN_CHROMIUM`, else the first Chromium on the PATH."""
    said = os.environ.get("BIHUAN_CHROMIUM")
    return said or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            # containers have neither namespaces nor much shared memory
            args=["--no-sandbox", "--disable-dev-shm-usage", f"--disable-features={','.join(UNSEEN)}"],
        )
        yield browser
        browser.close()


@dataclass
class Desk:
    """`url` of the front page. `passwords` are those of `tests.builders`, one for everybody."""

    campus: Campus
    url: str

    def of(
        self,
        browser: Browser,
        who: str | None,
        *,
        size: dict[str, int] = PHONE,
        language: Language = "zh",
        script: bool = True,
    ) -> Page:
        """A browser of one's own, signed in by the form where somebody is named."""
        context = self.context(browser, size=size, language=language, script=script)
        page = context.new_page()
        if who is None:
            page.goto(self.url)
        else:
            self.sign_in(page, who)
        return page

    def context(
        self, browser: Browser, *, size: dict[str, int] = PHONE, language: Language = "zh", script: bool = True
    ) -> BrowserContext:
        context = browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            locale="zh-CN" if language == "zh" else "en-GB", java_script_enabled=script, base_url=self.url,
            is_mobile=size is PHONE, has_touch=size is PHONE,
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        return context

    def sign_in(self, page: Page, who: str) -> None:
        page.goto("/sign-in")
        page.locator("[name=account]").fill(who)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main form button").click()
        page.wait_for_url("**/mine")

    def let_in(self, *people: str) -> None:
        """These may sign in with the password."""
        self.campus.let_in(*people)


@contextmanager
def a_desk(campus: Campus) -> Iterator[Desk]:
    """The campus's own application behind a real socket, in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    config = uvicorn.Config(campus.app, log_level="warning", lifespan="off", access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    waits_until = time.monotonic() + PATIENCE_MS / 1000
    while not server.started:
        if time.monotonic() > waits_until or not thread.is_alive():
            raise TimeoutError("the desk does not open")
        time.sleep(0.01)
    try:
        yield Desk(campus, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


@contextmanager
def an_empty_desk(folder: Path) -> Iterator[Desk]:
    """One without a school: whoever comes first sets it up."""
    with closing(a_runtime(folder, "sqlite", catalog=CATALOG)) as runtime:
        app = create_app(runtime)
        with calling(app) as client, a_desk(Campus(runtime, client, app)) as desk:
            yield desk


class Finger:
    """One that taps on a page and counts it. A tap into a field counts, the typing and the camera's own buttons do not."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.count = 0

    def taps(self, what: Locator) -> None:
        self.count += 1
        what.tap()

    def writes(self, field: Locator, words: str) -> None:
        self.taps(field)
        expect(field).to_be_focused()
        self._page.keyboard.insert_text(words)

    def photographs(self, field: Locator, picture: FilePayload) -> None:
        with self._page.expect_file_chooser() as chooser:
            self.taps(field)
        chooser.value.set_files(picture)


def picture_of(page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
