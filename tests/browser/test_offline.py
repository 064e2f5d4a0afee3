"""Without a network: a round through a dead zone, a report tapped twice, a draft after a reload, and whose copies a phone keeps."""

import io
import random
import time
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Dialog, FilePayload, Page, Route, expect

from engine.store import history
from tests.browser.desk import PHONE, Desk
from tests.browser.test_core_journey import a_picture, shows_no_overflow
from tests.browser.tour import OFFICE as ITEMS
from tests.browser.tour import a_round_of
from tests.journeys.campus import SCHOOL

LONG = 30_000  # milliseconds for what the browser does by itself; the machine may have other work
WAITING, SENT, REFUSED = "待发送", "已发送", "未被接受"


# --- what is there -------------------------------------------------------------------------------------------------------


def a_round(desk: Desk) -> str:
    return a_round_of(desk.campus, "XB1")


def handed_in(desk: Desk, number: str) -> int:
    """How often."""
    with desk.campus.runtime.database.read(SCHOOL) as connection:
        return sum(event.trigger == "submit" for event in history.events_of(connection, SCHOOL, number))


def hazards(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.campus.get("officer", "/api/v1/hazards")["items"]
    return found


# --- at the phone --------------------------------------------------------------------------------------------------------


def ready(page: Page) -> None:
    """The page's own script has seen to the form."""
    expect(page.locator("form.drawn[data-ready]")).to_have_count(1)


def comes_true(page: Page, question: str, about: object) -> None:
    """Waits until the page says yes to an async function: Playwright's own waiting takes its promise for a yes."""
    until = time.monotonic() + LONG / 1000
    while not page.evaluate(question, about):
        assert time.monotonic() < until, question
        page.wait_for_timeout(50)


def keeps(page: Page, *addresses: str) -> None:
    """Waits until the phone has copies of these pages and of no others."""
    question = """async (wanted) => {
        const found = [];
        for (const name of await caches.keys())
            if (name.startsWith("pages "))
                for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
        return found.sort().join() === wanted;
    }"""
    comes_true(page, question, ",".join(sorted(addresses)))


def kept_draft(page: Page, words: str, *, pictures: int) -> None:
    """Waits until one draft is kept, which says these words and has so many pictures."""
    question = """async ([words, pictures]) => {
        const found = (await Kept.all("pictures")).reduce((sum, each) => sum + each.files.length, 0);
        const drafts = await Kept.all("drafts");
        return found === pictures && drafts.length === 1 && drafts[0].fields.some(([_, value]) => value === words);
    }"""
    comes_true(page, question, [words, pictures])


def answer(page: Page, code: str, result: str) -> None:
    page.locator(f"label:has([name='answers.{code}.result'][value={result}])").click()


def report(page: Page, title: str) -> None:
    """A report filled in, not sent."""
    page.goto("/report")
    ready(page)
    page.locator("[name=photos]").set_input_files(a_picture("red"))
    page.locator("[name=place]").fill("实训楼三层")
    page.locator("[name=title]").fill(title)
    kept_draft(page, title, pictures=1)


def a_large_picture() -> FilePayload:
    content = io.BytesIO()
    noise = Image.frombytes("RGB", (300, 225), random.Random(1).randbytes(300 * 225 * 3))
    noise.resize((3200, 2400)).save(content, "JPEG", quality=95)
    assert len(content.getvalue()) > 1024 * 1024
    return {"name": "IMG_0001.jpg", "mimeType": "image/jpeg", "buffer": content.getvalue()}


# --- a round -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_round_begun_with_a_network_and_ended_without_one_is_handed_in_once(desk: Desk, browser: Browser) -> None:
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

    # a cellar without a network, where the browser loses the page as well
    page.context.set_offline(True)
    answer(page, ITEMS[4], "fail")
    page.locator(f"[name='answers.{ITEMS[4]}.note']").fill("吊扇螺栓松动")
    page.locator(f"[name='photos.{ITEMS[4]}']").set_input_files(a_picture("red"))
    expect(page.locator(f"[name='answers.{ITEMS[0]}.note']")).to_be_hidden()
    shows_no_overflow(page)
    kept_draft(page, "吊扇螺栓松动", pictures=1)
    page.goto(address)
    ready(page)
    expect(page.locator(".offline-copy")).to_contain_text("离线副本，保存于")
    expect(page.locator(".notice.draft")).to_be_visible()
    expect(page.locator(".progress")).to_contain_text("5/10")
    for code in ITEMS[5:9]:
        answer(page, code, "pass")
    answer(page, ITEMS[9], "na")
    page.locator(f"[name='answers.{ITEMS[9]}.note']").fill("上月没有隐患")
    page.locator("[name=summary]").fill("一处吊扇松动，已停用")
    page.get_by_role("button", name="提交检查表").click()
    expect(page.locator(".outbox .tag")).to_have_text(WAITING)
    page.goto("/mine")
    expect(page.locator("#sending .tag")).to_have_text(WAITING)
    assert handed_in(desk, number) == 0

    # back in the light it goes by itself, and however often it is sent it counts once
    page.context.set_offline(False)
    expect(page.locator("#sending .tag")).to_have_text(SENT, timeout=LONG)
    expect(page.locator("#sending")).to_contain_text(number)
    page.evaluate("Kept.sendAll()")
    assert handed_in(desk, number) == 1
    [hazard] = hazards(desk)
    pictures = desk.campus.get("officer", f"/api/v1/hazards/{hazard['number']}")["facts"]["photos"]
    assert len(pictures) == 1
    keeps(page, "/mine", "/report")  # the form of a round that is handed in is opened no more

    # the second signature is the head's
    head = desk.of(browser, "xb1_head")
    head.goto(f"/cases/{number}/sign")
    expect(head.locator("main")).to_contain_text("吊扇螺栓松动")
    head.locator("[name=opinion]").fill("同意")
    head.locator("form.drawn button.wide").click()
    head.wait_for_url(f"**/cases/{number}?done=sign")


def test_a_round_that_somebody_else_handed_in_meanwhile_is_refused_in_words_and_stays_to_be_mended(
    desk: Desk, browser: Browser
) -> None:
    desk.let_in("xb1_safety")
    number = a_round(desk)
    page = desk.of(browser, "xb1_safety")
    page.goto(f"/cases/{number}/submit")
    ready(page)
    page.context.set_offline(True)
    for code in ITEMS:
        answer(page, code, "pass")
    page.get_by_role("button", name="零报告").click()
    page.get_by_role("button", name="提交检查表").click()
    expect(page.locator(".outbox .tag")).to_have_text(WAITING)
    every = {code: {"result": "pass"} for code in ITEMS}
    desk.campus.done("xb1_safety", f"/api/v1/inspections/{number}/submit", answers=every, summary="已查")
    page.context.set_offline(False)
    expect(page.locator(".outbox .tag")).to_have_text(REFUSED, timeout=LONG)
    expect(page.locator(".outbox")).to_contain_text(number)
    assert handed_in(desk, number) == 1


def test_without_a_script_a_round_counts_shows_what_is_needed_and_writes_a_zero_report_when_asked(
    desk: Desk, browser: Browser
) -> None:
    desk.let_in("xb1_safety")
    number = a_round(desk)
    page = desk.of(browser, "xb1_safety", script=False)
    page.goto(f"/cases/{number}/submit")
    for code in ITEMS:
        answer(page, code, "pass")
    answer(page, ITEMS[0], "fail")
    expect(page.get_by_role("button", name="零报告")).to_be_hidden()
    page.locator("[name=summary]").fill("一处堵塞")
    page.get_by_role("button", name="提交检查表").click()
    expect(page.locator(f"#f-photos-{ITEMS[0].replace('.', '-')}-fault")).to_contain_text("须拍照")
    page.locator(f"[name='photos.{ITEMS[0]}']").set_input_files(a_picture("red"))
    answer(page, ITEMS[0], "pass")  # looked at again: it is all right, and its picture is nobody's
    page.get_by_role("button", name="零报告").click()
    expect(page.locator("[name=summary]")).to_have_value("零报告：检查表 10 项已逐项检查，未发现隐患。")
    page.get_by_role("button", name="提交检查表").click()
    page.wait_for_url(f"**/cases/{number}?done=submit")
    assert hazards(desk) == []


def test_a_step_of_one_tap_waits_for_the_network(desk: Desk, browser: Browser) -> None:
    desk.let_in("fixer")
    number = desk.campus.hazard("assigned").rsplit("/", 1)[1]
    page = desk.of(browser, "fixer")
    button = page.locator(f"form[action='/cases/{number}/acknowledge'] button")
    expect(button).to_be_enabled()
    page.context.set_offline(True)
    expect(button).to_be_disabled()
    page.context.set_offline(False)
    button.click()
    page.wait_for_url(f"**/cases/{number}?done=acknowledge")


# --- a report ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_a_report_sent_by_a_double_tap_is_one_case(desk: Desk, browser: Browser, script: bool) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher", script=script)
    page.goto("/report")
    if script:
        ready(page)
    page.locator("[name=place]").fill("实训楼三层")
    page.locator("[name=title]").fill("插座松动")
    page.get_by_role("button", name="提交", exact=True).dblclick(no_wait_after=True)
    page.wait_for_url("**/cases/*done=opened")
    assert len(hazards(desk)) == 1


def test_a_report_whose_answer_was_lost_on_the_way_is_one_case(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    report(page, "插座松动")

    def lose(route: Route) -> None:
        route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route("**/report", lose, times=1)
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.locator(".outbox .tag")).to_have_text(SENT, timeout=LONG)
    [only] = hazards(desk)
    expect(page.locator(".outbox a")).to_have_text(only["number"])


def test_a_draft_survives_a_reload_with_its_pictures_and_is_gone_once_sent(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    report(page, "消火栓箱里没有水带")
    page.reload()
    ready(page)
    expect(page.locator("[name=title]")).to_have_value("消火栓箱里没有水带")
    expect(page.locator(".notice.draft")).to_be_visible()
    page.locator(".suggested button").first.click()
    page.get_by_role("button", name="提交", exact=True).click()
    page.wait_for_url("**/cases/*done=opened")
    expect(page.locator("figure img")).to_have_count(1)
    assert hazards(desk)[0]["category"] == "FIRE.equip"
    page.goto("/report")
    ready(page)
    expect(page.locator("[name=title]")).to_have_value("")


def test_signing_out_deletes_drafts_after_saying_so_and_keeps_what_was_handed_in(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    told: list[str] = []
    answers = iter(["dismiss", "accept"])

    def asked(dialog: Dialog) -> None:
        told.append(dialog.message)
        getattr(dialog, next(answers))()

    page.on("dialog", asked)
    report(page, "灯不亮")
    refused = {
        "key": "k1",
        "who": f"{SCHOOL}/teacher",
        "title": "上报隐患",
        "files": [],
        "fields": [],
        "state": "refused",
    }
    page.evaluate("(refused) => Kept.put('outbox', {...refused, at: Date.now()})", refused)
    out = page.get_by_role("button", name="退出")
    out.click()
    kept_draft(page, "灯不亮", pictures=1)
    out.click()
    page.wait_for_url("**/sign-in")
    assert len(told) == 2 and "草稿" in told[0] and "未送达" in told[0]
    kept = """(async () => {
        const names = ["drafts", "pictures", "outbox"];
        return new Promise((resolve) => {
            indexedDB.open("bihuan").onsuccess = (event) => {
                const asked = event.target.result.transaction(names);
                const found = names.map((name) => asked.objectStore(name).count());
                asked.oncomplete = () => resolve(found.map((each) => each.result));
            };
        });
    })()"""
    assert page.evaluate(kept) == [0, 0, 1]


def test_without_a_network_nobody_signs_out_and_no_draft_is_deleted_in_vain(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    report(page, "灯不亮")
    out = page.get_by_role("button", name="退出")
    page.context.set_offline(True)
    expect(out).to_be_disabled()
    page.context.set_offline(False)
    expect(out).to_be_enabled()


def test_a_browser_that_cannot_delete_signs_out_all_the_same(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    page.on("dialog", lambda dialog: dialog.accept())
    report(page, "灯不亮")
    kept_draft(page, "灯不亮", pictures=1)
    page.evaluate("() => { Kept.forget = () => Promise.reject(new Error('the disk is broken')); }")
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/sign-in")


def test_a_draft_is_discarded_on_request(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    report(page, "插座松动")
    page.reload()
    page.get_by_role("button", name="清空重填").click()
    expect(page.locator("[name=title]")).to_have_value("")
    kept = page.evaluate("(async () => [...await Kept.all('drafts'), ...await Kept.all('pictures')].length)()")
    assert kept == 0


def test_two_reports_from_one_copy_of_the_page_are_two_cases_found_when_they_were_filled_in(
    desk: Desk, browser: Browser
) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    keeps(page, "/mine", "/report")
    page.context.set_offline(True)
    for number, title in enumerate(("插座松动", "灯不亮"), start=1):
        report(page, title)
        page.get_by_role("button", name="提交", exact=True).click()
        expect(page.locator(".outbox .tag")).to_have_count(number)
    page.context.set_offline(False)
    expect(page.locator(".outbox .tag")).to_have_text([SENT, SENT], timeout=LONG)
    found = hazards(desk)
    assert {case["title"] for case in found} == {"插座松动", "灯不亮"}
    with desk.campus.runtime.database.read(SCHOOL) as connection:
        opened = [history.events_of(connection, SCHOOL, case["number"])[0] for case in found]
    assert all(event.found_at is not None for event in opened)


def test_a_large_picture_is_made_smaller_before_it_is_sent(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    page.goto("/report")
    ready(page)
    page.locator("[name=photos]").set_input_files(a_large_picture())
    page.locator("[name=place]").fill("实训楼三层")
    page.locator("[name=title]").fill("插座松动")
    page.get_by_role("button", name="提交", exact=True).click()
    page.wait_for_url("**/cases/*done=opened")
    address = page.locator("figure a").first.get_attribute("href")
    picture = page.request.get(str(address))
    assert max(Image.open(io.BytesIO(picture.body())).size) == 2000


# --- whose it is -----------------------------------------------------------------------------------------------------------


def test_signing_out_takes_the_copies_away_and_nobody_else_sees_what_was_kept(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher", "clerk")
    page = desk.of(browser, "teacher")
    keeps(page, "/mine", "/report")
    page.context.set_offline(True)
    report(page, "写了一半")
    page.context.set_offline(False)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/sign-in")
    keeps(page)

    desk.sign_in(page, "clerk")
    keeps(page, "/mine", "/report")
    page.goto("/report")
    ready(page)
    expect(page.locator("[name=title]")).to_have_value("")

    # what the first left waiting is not the second's to see, nor to send in his own name
    left = {
        "key": "k1", "who": f"{SCHOOL}/teacher", "action": "/report", "title": "上报隐患", "files": [], "state": "waiting",
        "fields": [["sent", "1"], ["key", "k1"], ["place", "实训楼三层"], ["title", "插座松动"]],
    }  # fmt: skip
    page.evaluate(
        "async (left) => { await Kept.put('outbox', {...left, at: Date.now()}); await Kept.sendAll(); }", left
    )
    page.goto("/mine")
    page.evaluate("Kept.sendAll()")
    expect(page.locator("#sending")).to_be_hidden()
    assert hazards(desk) == []

    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/sign-in")
    desk.sign_in(page, "teacher")
    expect(page.locator("#sending .tag")).to_have_text(SENT, timeout=LONG)  # with the token of his new session
    assert hazards(desk)[0]["title"] == "插座松动"


def test_who_was_signed_out_meanwhile_is_told_so_and_what_he_sent_goes_after_signing_in(
    desk: Desk, browser: Browser
) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher")
    report(page, "插座松动")
    page.context.clear_cookies()
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.locator(".outbox .tag")).to_have_text(WAITING)
    page.get_by_role("link", name="请重新登录").click()
    desk.sign_in(page, "teacher")
    expect(page.locator("#sending .tag")).to_have_text(SENT, timeout=LONG)
    assert [case["title"] for case in hazards(desk)] == ["插座松动"]


def test_a_page_that_was_never_opened_says_so_without_a_network(desk: Desk, browser: Browser) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher", size=PHONE)
    keeps(page, "/mine", "/report")
    page.context.set_offline(True)
    page.goto("/account")
    expect(page.locator("h1")).to_have_text("没有网络")
    page.get_by_role("link", name="上报隐患").click()
    ready(page)
    expect(page.locator(".offline-copy")).to_be_visible()
