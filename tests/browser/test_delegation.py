"""Somebody goes away and names a delegate, who takes a step in his name: both are on record."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.desk import PHONE, WIDE, Desk, Language

WORDS: dict[Language, dict[str, str]] = {
    "zh": {"for": "代", "all": "全部职责", "back": "提前返岗"},
    "en": {"for": "for", "all": "all roles", "back": "Back early"},
}


@pytest.mark.parametrize(
    "size, language, script",
    [(PHONE, "zh", True), (PHONE, "zh", False), (WIDE, "en", True)],
    ids=["phone, Chinese", "phone, without script", "desk, English"],
)
@pytest.mark.slow
def test_a_delegate_named_on_the_phone_takes_the_step_and_gives_it_back(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    desk.let_in("hqc_safety", "head", "clerk")
    words, today = WORDS[language], desk.campus.today
    number = desk.campus.hazard("verified").rsplit("/", 1)[-1]

    # the head of the safety office is away from today on, and hands everything on
    page = desk.of(browser, "head", size=size, language=language, script=script)
    page.goto("/account")
    page.locator("a[href='/account/away']").click()
    page.locator("a[href='/account/away/new']").click()
    page.locator("[name=last_day]").fill((today - timedelta(days=1)).isoformat())
    page.locator("[name=delegate]").select_option("clerk")
    page.locator("form.asked button").click()
    expect(page.locator("#f-last_day-fault")).to_be_visible()
    expect(page.locator("[name=delegate]")).to_have_value("clerk")  # what was typed stays
    page.locator("[name=last_day]").fill((today + timedelta(days=3)).isoformat())
    page.locator("form.asked button").click()
    page.wait_for_url("**/account/away?done=away")
    expect(page.get_by_text(words["all"])).to_be_visible()

    # the delegate sees what waits, and takes the step in his name
    other = desk.of(browser, "clerk", size=size, language=language, script=script)
    expect(other.locator(f"a[href='/cases/{number}']").first).to_be_visible()
    other.goto(f"/cases/{number}/approve")
    other.locator("[name=opinion]").fill("同意销号")
    other.locator("form.drawn > button.wide").click()
    other.wait_for_url(f"**/cases/{number}?done=approve")
    expect(other.locator(".timeline")).to_contain_text(words["for"])

    other.goto("/account/away")
    expect(other.locator("#stands-in")).to_be_visible()

    # back early: from now on the delegate is himself again
    page.goto("/account/away")
    page.get_by_role("link", name=words["back"]).click()
    page.locator("form.asked button").click()
    page.wait_for_url("**/account/away?done=back")
    other.goto("/account/away")
    expect(other.locator("#stands-in")).to_have_count(0)


def test_an_administrator_adds_somebody_grants_a_role_and_hands_over_a_first_password(
    desk: Desk, browser: Browser
) -> None:
    desk.campus.give("officer", "administrator")
    desk.let_in("officer")
    page = desk.of(browser, "officer", script=False)
    page.goto("/more")
    page.locator("a[href='/school']").click()
    page.locator("a[href='/school/people']").click()
    page.locator("a[href='/school/new-person']").click()
    page.locator("[name=person]").fill("teacher")
    page.locator("[name=name]").fill("新教师")
    page.locator("form.asked button").click()
    expect(page.locator("#f-person-fault")).to_be_visible()  # somebody has that key
    page.locator("[name=person]").fill("xin")
    page.locator("[name=department]").select_option("XB1")
    page.locator("form.asked button").click()
    page.wait_for_url("**/school/people/xin?done=added")
    page.locator("a[href$='/grant']").click()
    page.locator("[name=role]").select_option("dept_safety")
    page.locator("[name=scope]").select_option("XB1")
    page.locator("form.asked button").click()
    page.wait_for_url("**/school/people/xin?done=granted")
    page.locator("a[href$='/password']").click()
    page.locator("form.asked button").click()
    password = page.locator(".secret").inner_text()

    new = desk.of(browser, None, script=False)
    new.goto("/sign-in")
    new.locator("[name=account]").fill("xin")
    new.locator("[name=password]").fill(password)
    new.locator("main form button").click()
    new.wait_for_url("**/account")
    expect(new.locator("[name=old]")).to_be_visible()  # which somebody else knows, and is changed first of all

    # whoever would leave a step to nobody is told first, and has to mean it
    page.goto("/school/people/fixer/active")
    page.locator("form.asked button").click()
    page.wait_for_url("**/school/people/fixer**")
