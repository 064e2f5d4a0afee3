"""A hazard's whole way through the pages by five people, each with a browser of his own, with and without script."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.desk import PHONE, WIDE, Desk, Language
from tests.pictures import a_photo

PEOPLE = ("teacher", "officer", "fixer", "head", "hqc_safety")

WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "report": "上报隐患", "send": "提交", "assign": "分级交办", "fix": "报整改完成", "verify": "复查通过",
        "approve": "批准销号", "closed": "已销号", "fetch": "更新判定标准",
    },
    "en": {
        "report": "Report a hazard", "send": "Send", "assign": "Assign", "fix": "Report it fixed", "verify": "Verified on site",
        "approve": "Approve the closure", "closed": "Closed", "fetch": "Fetch the criteria",
    },
}  # fmt: skip


UNBROKEN = (
    "http://" + "w" * 100
)  # one word, as somebody types who means no harm or some: it must not widen anybody's page


def a_picture(colour: str) -> FilePayload:
    return {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": a_photo(colour)}


def shows_no_overflow(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, page.url


@pytest.mark.parametrize(
    "size, language, script",
    [(PHONE, "zh", True), (PHONE, "zh", False), (WIDE, "en", True)],
    ids=["phone, Chinese", "phone, without script", "desk, English"],
)
@pytest.mark.slow
def test_five_people_close_a_hazard(
    desk: Desk, browser: Browser, tmp_path: Path, size: dict[str, int], language: Language, script: bool
) -> None:
    desk.let_in(*PEOPLE)
    words = WORDS[language]

    def at(who: str) -> Page:
        return desk.of(browser, who, size=size, language=language, script=script)

    # reported with a picture, a place and one line
    page = at("teacher")
    page.get_by_role("link", name=words["report"]).first.click()
    page.locator("[name=photos]").set_input_files(a_picture("red"))
    page.locator("[name=place]").fill(f"教学楼二楼东侧{UNBROKEN}")
    page.locator("[name=title]").fill(f"疏散指示灯不亮{UNBROKEN}")
    page.get_by_role("button", name=words["send"]).click()
    page.wait_for_url(re.compile(r"/cases/YH-2020-\d{4}\?done=opened"))
    number = page.url.split("/cases/")[1].split("?")[0]
    expect(page.locator("h1")).to_have_text(f"疏散指示灯不亮{UNBROKEN}")
    expect(page.locator("figure img").first).to_be_visible()
    shows_no_overflow(page)

    # graded and assigned by the safety office
    page = at("officer")
    shows_no_overflow(page)
    page.locator(f"a[href='/cases/{number}/assign']").click()
    page.wait_for_url(f"**/cases/{number}/assign")
    shows_no_overflow(page)
    page.locator("[name=category]").select_option("FIRE.exit")
    with (
        page.expect_navigation()
    ):  # what is chosen and ticked before the page with the criteria is there is lost with this one
        page.get_by_role("button", name=words["fetch"]).click()
    for question in page.locator("input[value=no]").all():
        question.check()
    page.locator("[name=department]").select_option("HQC")
    page.locator("[name=assignee]").select_option("fixer")
    page.locator("[name=time_limit][value=days3]").check()
    page.locator("[name=requirement]").fill("更换灯具并测试")
    page.locator("[name=interim]").fill("设临时标识")
    page.locator("form.drawn > button.wide").click()
    page.wait_for_url(f"**/cases/{number}?done=assign")

    # fixed, with a picture of it
    page = at("fixer")
    page.goto(f"/cases/{number}/fix")
    page.locator("[name=measure]").fill("已更换灯具")
    page.locator("[name=photos_after]").set_input_files(a_picture("green"))
    page.locator("form.drawn > button.wide").click()
    page.wait_for_url(f"**/cases/{number}?done=fix")
    expect(page.locator("figure img")).to_have_count(2)
    expect(page.locator(f"a[href='/cases/{number}/verify']")).to_have_count(0)  # his own work he cannot confirm

    # looked at by another, closed by a third
    page = at("officer")
    page.goto(f"/cases/{number}/verify")
    page.locator("[name=finding]").fill("灯亮")
    page.locator("form.drawn > button.wide").click()
    page.wait_for_url(f"**/cases/{number}?done=verify")
    page = at("head")
    page.goto(f"/cases/{number}/approve")
    page.locator("[name=opinion]").fill("同意销号")
    page.locator("form.drawn > button.wide").click()
    page.wait_for_url(f"**/cases/{number}?done=approve")
    expect(page.locator("svg.loop .centre")).to_have_text(words["closed"])

    # and whoever reported it sees that
    page = at("teacher")
    expect(page.get_by_text(words["closed"]).first).to_be_visible()


def test_what_was_typed_stays_when_something_is_missing_and_the_fault_stands_at_its_field(
    desk: Desk, browser: Browser
) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher", script=False)
    page.goto("/report")
    page.locator("[name=photos]").set_input_files(a_picture("red"))
    page.locator("[name=title]").fill("插座松动")
    page.locator("[name=place]").fill(" ")
    page.get_by_role("button", name="提交").click()
    expect(page.locator("#f-place-fault")).to_contain_text("必须填写")
    expect(page.locator("[name=title]")).to_have_value("插座松动")
    expect(page.locator(".kept img")).to_have_count(1)
    page.locator("[name=place]").fill("实训楼")
    page.get_by_role("button", name="提交").click()
    expect(page.locator("h1")).to_have_text("插座松动")
    expect(page.locator("figure img")).to_have_count(1)
