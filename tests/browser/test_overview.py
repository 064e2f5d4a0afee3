"""A leader asks how things stood on a day that is past, and follows a number to its cases."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.desk import PHONE, WIDE, Desk, Language


@pytest.mark.slow
@pytest.mark.parametrize(
    "size, language, script",
    [(PHONE, "zh", True), (PHONE, "zh", False), (WIDE, "en", True)],
    ids=["phone, Chinese", "phone, without script", "desk, English"],
)
def test_how_things_stood_on_a_past_day_and_the_cases_behind_a_number(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    campus = desk.campus
    desk.let_in("head")
    campus.hazard("assigned")
    campus.on(campus.today + timedelta(days=1))
    campus.hazard("fixed")
    campus.hazard("verified")
    campus.on(campus.today + timedelta(days=1))

    page = desk.of(browser, "head", size=size, language=language, script=script)
    page.goto("/overview")
    number = page.locator("main a[href^='/cases?']").first
    expect(number).to_contain_text("3")
    page.locator("[name=as_of]").fill((campus.today - timedelta(days=2)).isoformat())
    page.locator("main form button").first.click()
    page.wait_for_url(re.compile(r"as_of="))
    number = page.locator("main a[href^='/cases?']").first
    expect(number).to_contain_text("1")
    number.click()
    page.wait_for_url(re.compile(r"/cases\?.*as_of="))
    expect(page.locator("main a[href^='/cases/YH-']")).to_have_count(1)
