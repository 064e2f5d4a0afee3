"""From a label on the wall to the safety office: three taps and a sentence of somebody who is not signed in."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.actor import Grant
from engine.store import people
from tests.browser.desk import PHONE, WIDE, Desk, Language
from tests.browser.test_core_journey import a_picture, shows_no_overflow
from tests.journeys.campus import SCHOOL

EAST = "教学楼三层东侧"
SEEN = "消防通道被电动车堵住"

WORDS: dict[Language, dict[str, str]] = {
    "zh": {"photo": "拍一张照片", "what": "看到了什么", "send": "提交", "thanks": "谢谢，已收到"},
    "en": {
        "photo": "Take a picture",
        "what": "What did you see",
        "send": "Send",
        "thanks": "Thank you, it has arrived",
    },
}


def an_address(desk: Desk, browser: Browser, *, size: dict[str, int], language: Language) -> str:
    """What the code of a label leads to, which the administrator made and printed after he opened anonymous reports."""
    desk.let_in("head", "officer")
    with desk.campus.runtime.database.write(SCHOOL) as connection:
        people.give(connection, SCHOOL, "head", Grant("administrator"))
    page = desk.of(browser, "head", size=size, language=language)
    page.goto("/school/labels")
    page.locator("[name=anonymous_reports]").check()
    page.locator("form[action$='/policy'] button").click()
    page.wait_for_url("**/school/labels?done=policy")
    page.locator("[name=place]").fill(EAST)
    page.locator("form[action='/school/labels'] button").click()
    page.wait_for_url("**/school/labels?done=made")
    shows_no_overflow(page)
    page.locator("#to-print button").click()
    page.wait_for_url("**/school/labels/print*")
    expect(page.locator(".label .code svg")).to_be_visible()
    expect(page.locator(".label .place")).to_have_text(EAST)
    shows_no_overflow(page)
    told = desk.campus.client.get("/api/v1/labels", headers=desk.campus.headers("officer")).json()["items"]
    printed = desk.campus.get("officer", f"/api/v1/labels/{told[0]['id']}/print")
    return str(printed["address"]).rpartition("/q/")[2]


def in_three_taps(page: Page, words: dict[str, str]) -> None:
    # 1: the camera
    with page.expect_file_chooser() as chooser:
        page.get_by_label(words["photo"]).click()
    chooser.value.set_files(a_picture("red"))
    # 2: the sentence
    field = page.get_by_label(words["what"])
    field.click()
    field.fill(SEEN)
    # 3: send it
    page.get_by_role("button", name=words["send"]).click()


@pytest.mark.parametrize(
    "size, language, script",
    [(PHONE, "zh", True), (PHONE, "zh", False), (WIDE, "en", True)],
    ids=["phone, Chinese", "phone, without script", "desk, English"],
)
def test_a_stranger_reports_what_he_sees_in_three_taps_and_a_sentence(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    token = an_address(desk, browser, size=size, language=language)
    words = WORDS[language]
    page = desk.of(browser, None, size=size, language=language, script=script)
    page.goto(f"/q/{token}")
    expect(page.locator(".here")).to_contain_text(EAST)
    shows_no_overflow(page)
    in_three_taps(page, words)
    page.wait_for_url(re.compile(r"/q/[\w-]+\?done=sent"))
    expect(page.locator("h1")).to_contain_text(words["thanks"])
    assert "YH-" not in page.locator("body").inner_text()
    shows_no_overflow(page)

    officer = desk.of(browser, "officer", size=size, language=language, script=script)
    officer.get_by_role("link", name=SEEN).first.click()
    expect(officer.locator("h1")).to_have_text(SEEN)
    expect(officer.locator("figure img")).to_have_count(1)
