"""The ledger in a browser: a word is looked for, a view kept and opened, and many cases are closed at once, at both widths."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk import PHONE, WIDE, Desk, Language
from tests.browser.test_core_journey import shows_no_overflow

WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "ledger": "台账", "search": "查找", "save": "保存为视图", "keep": "保存视图", "many": "批量办理选中的事项",
        "confirm": "确认办理", "done": "已全部办理", "none": "没有符合条件的事项", "trail": "审计记录", "left": "不会办理",
    },
    "en": {
        "ledger": "Ledger", "search": "Search", "save": "Keep as a view", "keep": "Keep this view", "many": "Act on the ticked cases",
        "confirm": "Confirm", "done": "Done for all of them", "none": "No case meets these filters",
        "trail": "Trail", "left": "These will be left",
    },
}  # fmt: skip
SIZES = pytest.mark.parametrize(
    "size, language, script",
    [(PHONE, "zh", True), (WIDE, "en", True), (WIDE, "zh", False)],
    ids=["phone, Chinese", "desk, English", "desk, without script"],
)


def number_of(path: str) -> str:
    return path.rpartition("/")[2]


def in_ledger(desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool) -> Page:
    desk.let_in("head")
    page = desk.of(browser, "head", size=size, language=language, script=script)
    page.get_by_role("link", name=WORDS[language]["ledger"], exact=True).first.click()
    page.wait_for_url("**/cases")
    shows_no_overflow(page)
    return page


@SIZES
@pytest.mark.slow
def test_many_are_closed_at_once_after_a_look_at_each(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    words = WORDS[language]
    verified = [number_of(desk.campus.hazard("verified")) for _ in range(3)]
    other = number_of(desk.campus.hazard("assigned"))
    page = in_ledger(desk, browser, size, language, script)
    for number in [*verified, other]:
        page.locator(f"input[name=number][value='{number}']").check()
    page.get_by_role("button", name=words["many"]).click()
    shows_no_overflow(page)
    page.locator("a[href^='/cases/bulk/approve?']").click()

    # before anything happens: what would become of each
    expect(page.get_by_text(words["left"]).first).to_be_visible()
    expect(page.locator("input[name=case]")).to_have_count(3)
    shows_no_overflow(page)
    page.locator("[name=opinion]").fill("同意销号")
    page.get_by_role("button", name=words["confirm"]).click()
    expect(page.locator("p.done")).to_contain_text(words["done"])
    shows_no_overflow(page)
    page.goto("/cases?state=closed")
    expect(page.locator("th.title a")).to_have_count(3)
    page.goto("/cases?state=assigned")
    expect(page.locator("th.title a")).to_have_count(1)


@SIZES
@pytest.mark.slow
def test_a_word_is_found_and_the_list_kept_by_a_name(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    words = WORDS[language]
    desk.campus.hazard("assigned"), desk.campus.hazard("assigned")
    desk.campus.done("teacher", "/api/v1/hazards", title="消防栓被遮挡", place="食堂")
    page = in_ledger(desk, browser, size, language, script)
    page.locator("#q").fill("消防栓")
    page.get_by_role("button", name=words["search"]).click()
    expect(page.locator("th.title a")).to_have_text(["消防栓被遮挡"])
    page.get_by_role("link", name=words["save"]).click()
    page.locator("[name=name]").fill("消防栓的事")
    with page.expect_navigation():  # else it is broken off where it has not gone out yet
        page.get_by_role("button", name=words["keep"]).click()
    page.goto("/cases")
    expect(page.locator("th.title a")).to_have_count(3)
    page.get_by_role("link", name="消防栓的事").click()
    expect(page.locator("th.title a")).to_have_text(["消防栓被遮挡"])
    page.locator("#q").fill("没有这样的事")
    page.get_by_role("button", name=words["search"]).click()
    expect(page.get_by_text(words["none"])).to_be_visible()
    page.goto("/cases")
    page.get_by_role("link", name=words["trail"]).click()
    expect(page.locator("h1")).to_have_text(words["trail"])
    shows_no_overflow(page)
