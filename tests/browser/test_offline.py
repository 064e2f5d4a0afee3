"""Without a network: a round walked through a dead zone, a report tapped twice, a draft after a reload, and whose copies a phone keeps."""

import io
from datetime import timedelta

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from engine.clock import SimulatedClock
from engine.store import history, periods
from tests.browser.desk import Desk
from tests.browser.test_core_journey import a_picture, shows_no_overflow
from tests.journeys.campus import DAY, SCHOOL
from workflows.inspection import CYCLE
from workflows.reference import checklists

ITEMS = [item.code for item in checklists()["office"].items]
SHOWN = 15_000  # milliseconds for a worker to begin; the machine may have other work


def a_round(desk: Desk) -> str:
    """The number of an inspection that XB1 owes this month."""
    with desk.campus.runtime.database.write_across() as connection:
        periods.owe(connection, periods.Obligation(SCHOOL, CYCLE, "XB1", DAY.replace(day=1)))
    desk.campus.runtime.tick()
    [case] = desk.campus.get("xb1_safety", "/api/v1/inspections")["items"]
    return str(case["number"])


def events_of(desk: Desk, number: str, trigger: str) -> int:
    with desk.campus.runtime.database.read(SCHOOL) as connection:
        return sum(event.trigger == trigger for event in history.events_of(connection, SCHOOL, number))


def hazards(desk: Desk) -> list[dict[str, object]]:
    found: list[dict[str, object]] = desk.campus.get("officer", "/api/v1/hazards")["items"]
    return found


def ready(page: Page) -> None:
    """The page's own script has seen to the form."""
    expect(page.locator("form.drawn[data-ready]")).to_have_count(1)


def kept_pages(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        """async () => (await Promise.all((await caches.keys()).filter((name) => name.startsWith("pages ")).map(async (name) =>
            (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname)))).flat().sort()"""
    )
    return found


def keeps(page: Page, *addresses: str) -> None:
    """Waits until the phone has copies of just these."""
    page.wait_for_function(
        """async (wanted) => { const found = []; for (const name of await caches.keys()) if (name.startsWith("pages "))
            for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
            return found.sort().join() === wanted; }""",
        arg=",".join(sorted(addresses)), timeout=SHOWN * 2,
    )  # fmt: skip


def answer(page: Page, code: str, result: str) -> None:
    page.locator(f"label:has([name='answers.{code}.result'][value={result}])").click()


def test_a_round_begun_with_a_network_and_ended_without_is_handed_in_once(desk: Desk, browser: Browser) -> None:
    desk.let_in("xb1_safety", "xb1_head")
    number = a_round(desk)
    address = f"/cases/{number}/submit"
    page = desk.of(browser, "xb1_safety")
    page.goto(address)
    ready(page)
    keeps(page, "/mine", "/report", address)
    for code in ITEMS[:4]:
        answer(page, code, "pass")
    expect(page.locator(".progress")).to_contain_text("4/10")

    # the corridor behind the boiler: no network, and the phone loses the page as well
    page.context.set_offline(True)
    answer(page, ITEMS[4], "fail")
    page.locator(f"[name='answers.{ITEMS[4]}.note']").fill("吊扇螺栓松动")
    page.locator(f"[name='photos.{ITEMS[4]}']").set_input_files(a_picture("red"))
    expect(page.locator(f"[name='answers.{ITEMS[0]}.note']")).to_be_hidden()
    shows_no_overflow(page)
    page.wait_for_timeout(0)
    saved(page, "photos")
    page.goto(address)
    ready(page)
    expect(page.locator(".offline-copy")).to_contain_text("离线副本，保存于")
    expect(page.locator(".notice.draft")).to_be_visible()
    expect(page.locator(".progress")).to_contain_text("5/10")
    for code in ITEMS[5:]:
        answer(page, code, "pass")
    answer(page, ITEMS[9], "na")
    page.locator(f"[name='answers.{ITEMS[9]}.note']").fill("上月没有隐患")
    page.locator("[name=summary]").fill("一处吊扇松动，已停用")
    page.get_by_role("button", name="提交检查表").click()
    expect(page.get_by_text("已存在本机").first).to_be_visible()
    expect(page.locator(".outbox .tag")).to_have_text("待发送")
    assert events_of(desk, number, "submit") == 0

    # a reminder meanwhile is no reason to refuse it; back in the light it goes by itself
    page.context.set_offline(False)
    expect(page.locator(".outbox .tag")).to_have_text("已发送", timeout=SHOWN * 2)
    page.evaluate("Kept.sendAll()")
    assert events_of(desk, number, "submit") == 1
    case = desk.campus.get("xb1_safety", f"/api/v1/inspections/{number}")
    assert case["state"] == "submitted"
    [hazard] = hazards(desk)
    assert len(hazard["facts"]["photos"]) == 1  # type: ignore[index]

    # on Mine it stands as sent, and the head's signature is the second one
    page.goto("/mine")
    expect(page.locator("#sending")).to_contain_text(number)
    head = desk.of(browser, "xb1_head")
    head.goto(f"/cases/{number}/sign")
    expect(head.locator("main")).to_contain_text("吊扇螺栓松动")
    head.locator("[name=opinion]").fill("同意")
    head.locator("form.drawn button.wide").click()
    head.wait_for_url(f"**/cases/{number}?done=sign")


def saved(page: Page, prefix: str) -> None:
    """Waits until the draft holds a picture of a control of this name."""
    page.wait_for_function(
        """async (prefix) => (await Kept.all("pictures")).some((each) => each.name.startsWith(prefix) && each.files.length)
            && (await Kept.all("drafts")).length > 0""",
        arg=prefix,
    )
