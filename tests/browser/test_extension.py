"""More time is asked for and granted, each by the one who may, at the pages."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.desk import PHONE, WIDE, Desk, Language


@pytest.mark.slow
@pytest.mark.parametrize("size, language", [(PHONE, "zh"), (WIDE, "en")], ids=["phone, Chinese", "desk, English"])
def test_more_time_is_asked_for_and_granted(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language
) -> None:
    desk.let_in("fixer", "vice")
    number = desk.campus.hazard("assigned").rsplit("/", 1)[1]
    before = desk.campus.get("fixer", f"/api/v1/hazards/{number}")["due_at"]
    page = desk.of(browser, "fixer", size=size, language=language)
    page.goto(f"/cases/{number}")
    page.locator(f"a[href='/cases/{number}/ask_extension']").click()
    page.locator("[name=new_date]").fill("2020-03-07")  # a Saturday: nobody works
    page.locator("[name=reason]").fill("等配件")
    page.locator("[name=interim]").fill("断电挂牌")
    page.locator("form.drawn > button.wide").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("[name=reason]")).to_have_value("等配件")
    page.locator("[name=new_date]").fill("2020-03-31")
    page.locator("form.drawn > button.wide").click()
    page.wait_for_url(f"**/cases/{number}?done=ask_extension")

    page = desk.of(browser, "vice", size=size, language=language)
    page.locator(f"a[href='/cases/{number}']").click()  # it waits for him
    page.locator(f"a[href='/cases/{number}/grant_extension']").click()
    page.locator("[name=opinion]").fill("同意")
    page.locator("form.drawn > button.wide").click()
    page.wait_for_url(f"**/cases/{number}?done=grant_extension")
    told = desk.campus.get("fixer", f"/api/v1/hazards/{number}")
    assert told["due_at"].startswith("2020-03-31") and told["due_at"] > before
