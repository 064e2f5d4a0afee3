"""The help holds what it says: how many taps each task takes, and that it prints on one sheet."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from api.pages.guide import TAPS
from tests.browser.desk import PHONE, WIDE, Desk, Finger, Language
from tests.browser.test_core_journey import a_picture, shows_no_overflow
from tests.browser.test_stranger import an_address
from tests.browser.tour import OFFICE, a_round_of


def waiting(desk: Desk, browser: Browser, who: str, upto: str) -> tuple[Page, str]:
    """Mine of somebody for whom a hazard waits, and the address its steps lie under."""
    desk.let_in(who)
    number = desk.campus.hazard(upto).rsplit("/", 1)[1]
    return desk.of(browser, who), f"/cases/{number}"


def button_of(page: Page, at: str, trigger: str) -> Locator:
    return page.locator(f"a.button[href='{at}/{trigger}']")


def sends(page: Page) -> Locator:
    return page.locator("form.drawn > button.wide")


def stranger(desk: Desk, browser: Browser) -> int:
    token = an_address(desk, browser, size=PHONE, language="zh")
    page = desk.of(browser, None)
    page.goto(f"/q/{token}")
    finger = Finger(page)
    finger.photographs(page.locator("#photos"), a_picture("red"))
    finger.writes(page.locator("#title"), "消防通道被堵住")
    finger.taps(page.locator("form.fields button.wide"))
    page.wait_for_url(re.compile("done=sent"))
    return finger.count


def report(desk: Desk, browser: Browser) -> int:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    finger = Finger(page)
    finger.taps(page.locator(".areas a[href='/report']"))
    finger.photographs(page.locator("[name=photos]"), a_picture("red"))
    finger.writes(page.locator("[name=place]"), "教学楼")
    finger.writes(page.locator("[name=title]"), "灯不亮")
    finger.taps(sends(page))
    page.wait_for_url(re.compile("done=opened"))
    return finger.count


def acknowledge(desk: Desk, browser: Browser) -> int:
    page, at = waiting(desk, browser, "fixer", "assigned")
    finger = Finger(page)
    finger.taps(page.locator(f"form[action='{at}/acknowledge'] button"))
    page.wait_for_url(f"**{at}?done=acknowledge")
    return finger.count


def fix(desk: Desk, browser: Browser) -> int:
    page, at = waiting(desk, browser, "fixer", "assigned")
    finger = Finger(page)
    finger.taps(button_of(page, at, "fix"))
    finger.writes(page.locator("[name=measure]"), "已更换")
    finger.photographs(page.locator("[name=photos_after]"), a_picture("green"))
    finger.taps(sends(page))
    page.wait_for_url(f"**{at}?done=fix")
    return finger.count


def verify(desk: Desk, browser: Browser) -> int:
    page, at = waiting(desk, browser, "officer", "fixed")
    finger = Finger(page)
    finger.taps(button_of(page, at, "verify"))
    finger.writes(page.locator("[name=finding]"), "灯亮")
    finger.taps(sends(page))
    page.wait_for_url(f"**{at}?done=verify")
    return finger.count


def approve(desk: Desk, browser: Browser) -> int:
    page, at = waiting(desk, browser, "head", "verified")
    finger = Finger(page)
    finger.taps(button_of(page, at, "approve"))
    finger.writes(page.locator("[name=opinion]"), "同意")
    finger.taps(sends(page))
    page.wait_for_url(f"**{at}?done=approve")
    return finger.count


def an_item(desk: Desk, browser: Browser) -> tuple[Page, Finger, Locator]:
    """The first item of a round, and a finger over it."""
    desk.let_in("xb1_safety")
    page = desk.of(browser, "xb1_safety")
    page.goto(f"/cases/{a_round_of(desk.campus, 'XB1')}/submit")
    return page, Finger(page), page.locator(".item").first


def passes(desk: Desk, browser: Browser) -> int:
    page, finger, item = an_item(desk, browser)
    finger.taps(item.locator("label.pass"))
    expect(page.locator(".item:has(:checked)")).to_have_count(1)
    return finger.count


def fails(desk: Desk, browser: Browser) -> int:
    _, finger, item = an_item(desk, browser)
    finger.taps(item.locator("label.fail"))
    finger.writes(item.locator(f"[name='answers.{OFFICE[0]}.note']"), "压力不足")
    finger.photographs(item.locator(f"[name='photos.{OFFICE[0]}']"), a_picture("red"))
    return finger.count


TASKS: dict[str, Callable[[Desk, Browser], int]] = {
    "stranger": stranger, "report": report, "acknowledge": acknowledge, "fix": fix, "verify": verify, "approve": approve,
    "pass": passes, "fail": fails,
}  # fmt: skip


def test_each_task_takes_as_many_taps_as_the_help_says(desk: Desk, browser: Browser) -> None:
    needed = {task: do(desk, browser) for task, do in TASKS.items()}
    desk.let_in("clerk")
    page = desk.of(browser, "clerk")
    page.goto("/help")
    told = {task: page.locator(f"[data-taps={task}]").inner_text() for task in TAPS}
    assert {task: [int(number) for number in re.findall(r"\d+", said)] for task, said in told.items()} == {
        task: [taps] for task, taps in needed.items()
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_help_is_light_fits_a_phone_and_prints_on_one_sheet(
    desk: Desk, browser: Browser, language: Language
) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher", size=PHONE, language=language)
    answer = page.goto("/help")
    assert answer is not None and len(answer.body()) < 100_000, "pictures and all, before compression"
    shows_no_overflow(page)
    rings = page.locator("svg.phone circle.tap").count()
    assert rings == sum(TAPS.values()), "every tap has its ring in a picture"
    assert page.evaluate(
        "[...document.querySelectorAll('svg.phone')].every((phone) => [...phone.querySelectorAll('text')]"
        ".every((text) => text.getBBox().x + text.getBBox().width <= 182))"
    ), "words end where the phone does"
    page.context.close()
    page = desk.of(browser, "teacher", size=WIDE, language=language)
    page.goto("/help")
    paper = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1
