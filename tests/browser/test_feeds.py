"""A link to a calendar in a browser: made, taken along by one tap, revoked only when one is sure; also without script."""

import httpx
import pytest
from icalendar import Calendar
from playwright.sync_api import Browser, expect

from tests.browser.desk import PHONE, WIDE, Desk, Language
from tests.browser.test_core_journey import shows_no_overflow

WORDS: dict[Language, dict[str, str]] = {
    "zh": {"make": "生成链接", "copy": "复制链接", "copied": "已复制", "add": "加入日历", "revoke": "确认停用", "gone": "链接已停用。"},
    "en": {
        "make": "Make a link", "copy": "Copy the link", "copied": "Copied", "add": "Add to calendar", "revoke": "Revoke it",
        "gone": "The link is revoked.",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "size, language, script",
    [(PHONE, "zh", True), (WIDE, "en", False)],
    ids=["phone, Chinese", "desk, English, without script"],
)
@pytest.mark.slow
def test_a_link_is_made_taken_along_and_revoked(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    words = WORDS[language]
    number = desk.campus.hazard("assigned").rpartition("/")[2]
    desk.let_in("fixer")
    page = desk.of(browser, "fixer", size=size, language=language, script=script)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/calendar")
    page.get_by_role("button", name=words["make"]).click()
    page.wait_for_url("**/calendar?done=made#feeds")
    shows_no_overflow(page)
    link = page.locator("#feeds input[readonly]")
    address = link.input_value()
    if script:
        page.get_by_role("button", name=words["copy"]).click()
        expect(page.get_by_role("button", name=words["copied"])).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == address
    else:
        expect(page.locator("#feeds button[data-copies]")).to_be_hidden()
    opens = page.get_by_role("link", name=words["add"]).get_attribute("href")
    assert opens is not None and opens.removeprefix("webcal:") == address.removeprefix("http:")
    here = desk.url.rstrip("/") + address[address.index("/feeds/") :]
    calendar = Calendar.from_ical(httpx.get(here).content)
    assert [str(event["uid"]) for event in calendar.walk("VEVENT")] == [f"{number}@school"]
    sure = page.get_by_role("button", name=words["revoke"])
    expect(sure).to_be_hidden()
    page.locator("#feeds summary").click()
    shows_no_overflow(page)
    sure.click()
    expect(page.locator("p.done")).to_have_text(words["gone"])
    expect(link).to_have_count(0)
    assert httpx.get(here).status_code == 404
