"""The icons are the mark as it is, and a browser finds all that it needs to put the desk on a home screen."""

import io

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser

from api.pages.rendering import STATIC
from tests.browser.desk import PHONE, Desk
from tests.browser.icons import ICONS, Icon, drawn

UNLIKE = 3.0  # of 255, in the mean: edges differ from one Chromium to another


@pytest.mark.parametrize("icon", ICONS, ids=lambda icon: icon.name)
def test_an_icon_is_the_mark_as_it_is_now(browser: Browser, icon: Icon) -> None:
    """Else `python -m tests.browser.icons` draws it anew."""
    kept = Image.open(STATIC / icon.name).convert("RGBA")
    now = Image.open(io.BytesIO(drawn(browser, icon))).convert("RGBA")
    assert kept.size == now.size == (icon.size, icon.size)
    assert max(ImageStat.Stat(ImageChops.difference(kept, now)).mean) < UNLIKE


def test_nothing_keeps_a_phone_from_putting_the_desk_on_its_home_screen(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher", size=PHONE)
    session = page.context.new_cdp_session(page)
    told = session.send("Page.getAppManifest")
    assert (told["url"], told["errors"]) == (f"{desk.url}/manifest.webmanifest", [])
    errors = [error["errorId"] for error in session.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert [error for error in errors if error != "in-incognito"] == [], "the browser of a test keeps nothing"
