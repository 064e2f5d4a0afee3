"""The ledger, its views and its bulks as a browser has them, by the same answers as the JSON list."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api.app import create_app
from api.bootstrap import Runtime
from engine.clock import SimulatedClock
from engine.directory import Absence
from engine.store import people, refusals, views
from tests.api.pages import Page, got, sign_in
from tests.api.test_bulk import numbers
from tests.builders import START, School, a_password
from tests.fakes import calling

Browser = Callable[..., httpx.Client]


@pytest.fixture
def browser(runtime: Runtime, school: School) -> Iterator[Browser]:
    """A browser in which this person is signed in."""
    opened = []

    def of(person: str, language: str = "zh") -> httpx.Client:
        a_password(runtime, school, person)
        made = calling(create_app(runtime))
        client = made.__enter__()
        opened.append(made)
        client.headers["Accept-Language"] = language
        assert sign_in(client, person).status_code == 303
        return client

    yield of
    for made in opened:
        made.__exit__(None, None, None)


def listed(page: Page) -> list[str]:
    """The numbers of the rows, in their order."""
    found = [address.removeprefix("/cases/") for address in page.addresses]
    return [number for number in found if re.fullmatch(r"WX-2020-\d{4}", number)]


def in_json(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/api/v1/cases?{query}")
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.json()["items"]]


# --- the list ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "", "q=插座", "q=没有这个词", "workflow=repair", "state=verified", "counts_as=assigned", "department=HQC", "assignee=repairer",
        "overdue=true", "overdue=false", "level=general", "state=assigned&overdue=true", "due_before=2020-01-15T00:00:00%2B08:00",
        "book=2020", "book=2019", "without_workflow=repair", "open=true", "open=false&closed_from=2020-01-01T00:00:00%2B08:00", "without=department", "action=fix&action=verify",
    ],
)  # fmt: skip
def test_the_page_lists_what_the_json_list_lists(
    query: str, client: httpx.Client, school: School, runtime: Runtime, browser: Browser
) -> None:
    numbers(client, school, "verified", 2), numbers(client, school, "assigned", 1)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance_to(START + timedelta(days=40))
    numbers(client, school, "reported", 1)
    reader = browser("safety_head")
    assert listed(got(reader, f"/cases?{query}")) == in_json(reader, query)


def test_nobody_is_shown_what_he_may_not_see(client: httpx.Client, school: School, browser: Browser) -> None:
    found = numbers(client, school, "verified", 2)
    other = browser("driver")
    page = got(other, "/cases")
    assert listed(page) == in_json(other, "") == [] and "台账里还没有您可以查看的事项" in page.words
    told = got(other, f"/cases/bulk?number={found[0]}")
    assert "没有选中事项" in told.words and found[0] not in told.words
    assert other.get(f"/cases/bulk/close?number={found[0]}").status_code == 404


def test_blanks_of_a_form_leave_the_address_and_days_may_be_asked_for(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    found = numbers(client, school, "assigned", 1)
    reader = browser("safety_head")
    led = reader.get("/cases?q=&state=assigned&level=&opened_from=2020-01-01&as_of=")
    assert (led.status_code, led.headers["location"]) == (303, "/cases?state=assigned&opened_from=2020-01-01")
    page = got(reader, led.headers["location"])
    assert listed(page) == found and "2020年1月1日" in page.words
    assert (
        listed(got(reader, "/cases?opened_from=2020-12-01"))
        == listed(got(reader, "/cases?opened_after=2020-12-01"))
        == []
    )
    assert listed(got(reader, f"/cases?due_before={START + timedelta(days=60):%Y-%m-%d}")) == found
    assert listed(got(reader, f"/cases?due_before={START:%Y-%m-%d}")) == []


def test_what_was_opened_as_a_day_began_was_opened_since_that_day(
    client: httpx.Client, school: School, runtime: Runtime, browser: Browser
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance_to(datetime(2020, 3, 2, 16, tzinfo=UTC))  # the midnight of a school in Shanghai
    found = numbers(client, school, "reported", 1)
    reader = browser("safety_head")
    assert listed(got(reader, "/cases?opened_from=2020-03-03")) == found
    assert listed(got(reader, "/cases?opened_after=2020-03-03")) == [], "an address that was kept asks as it did"


@pytest.mark.parametrize(
    "query", ["state=strange", "book=2099", "book=1", "without_workflow=x", "strnage=1", "due_before=0001-01-01", "as_of=2999-01-01", "as_of=2020-02-30", "cursor=x", "columns=x"]
)  # fmt: skip
def test_a_misspelt_question_is_refused_and_not_believed(query: str, browser: Browser) -> None:
    answer = browser("safety_head").get(f"/cases?{query}")
    assert answer.status_code == 422 and answer.headers["content-type"].startswith("text/html")


def test_no_case_is_ticked_that_was_not_asked_for(client: httpx.Client, school: School, browser: Browser) -> None:
    """Drawn again without its faulty filter the list has more than was meant: nobody acts on all of it by one press."""
    numbers(client, school, "assigned", 1)
    reader = browser("safety_head")
    assert ' checked><span class="unseen">' in reader.get("/cases?tick=all").text
    again = reader.get("/cases?tick=all&state=strange")
    assert (
        again.status_code == 422
        and 'name="number"' in again.text
        and ' checked><span class="unseen">' not in again.text
    )


def test_each_filter_can_be_taken_away_by_itself(client: httpx.Client, school: School, browser: Browser) -> None:
    numbers(client, school, "assigned", 1)
    page = got(browser("safety_head"), "/cases?q=插座&department=HQC")
    assert {"/cases?department=HQC", "/cases?q=%E6%8F%92%E5%BA%A7"} <= set(page.addresses)
    assert page.form("/cases")["q"] == "插座"


def test_pages_follow_each_other_and_keep_what_was_asked(
    client: httpx.Client, school: School, runtime: Runtime, browser: Browser
) -> None:
    found = numbers(client, school, "reported", 53)
    page = got(browser("safety_head"), "/cases?state=reported")
    [following] = [address for address in page.addresses if "cursor=" in address and "tick" not in address]
    assert following.startswith("/cases?state=reported&cursor=")
    assert len(listed(page)) == 50
    second = got(browser("safety_head"), following)
    assert sorted(listed(page) + listed(second)) == sorted(found) and "/cases?state=reported" in second.addresses


def test_a_past_day_is_shown_as_it_was_known_at_its_end(
    client: httpx.Client, school: School, runtime: Runtime, browser: Browser
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    early = numbers(client, school, "assigned", 1)
    runtime.clock.advance_to(START + timedelta(days=3))
    numbers(client, school, "assigned", 1)
    reader = browser("safety_head")
    page = got(reader, f"/cases?as_of={START:%Y-%m-%d}")
    assert listed(page) == early and "以下是当时的情况" in page.words
    assert not [form for form in page.forms if form["fields"].get("number")], "what is past cannot be acted on"
    assert len(listed(got(reader, f"/cases?as_of={START + timedelta(days=3):%Y-%m-%d}"))) == 2, "today is now"
    [csv] = [address for address in page.addresses if "format=csv" in address]
    assert csv.startswith("/api/v1/cases?as_of=") and reader.get(csv).text.count("WX-2020-") == 1


def test_what_is_seen_is_taken_away_and_that_is_noted(client: httpx.Client, school: School, browser: Browser) -> None:
    numbers(client, school, "assigned", 2), numbers(client, school, "verified", 1)
    reader = browser("safety_head")
    page = got(reader, "/cases?state=assigned&opened_after=2020-01-01")
    files = [address for address in page.addresses if "format=" in address]
    assert [address.rpartition("=")[2] for address in files] == ["xlsx", "csv"]
    taken = reader.get(files[1])
    assert sorted(re.findall(r"WX-2020-\d{4}", taken.text)) == sorted(listed(page))
    assert "导出" in got(reader, "/trail?case=logbook").words


def test_columns_are_chosen_and_remembered_by_the_browser(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    numbers(client, school, "assigned", 1)
    reader = browser("safety_head")
    labels = '<th scope="col">责任人</th>'
    assert labels not in reader.get("/cases").text
    assert labels in reader.get("/cases?columns=title&columns=assignee").text
    kept = reader.get("/cases").text
    assert labels in kept and '<th scope="col">编号</th>' not in kept
    reader.cookies.set("bihuan_columns", "x.<script>")
    assert '<th scope="col">编号</th>' in reader.get("/cases").text


def test_what_somebody_wrote_stays_text(client: httpx.Client, school: School, browser: Browser) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x>"
    client.post("/api/v1/repairs", json={"title": evil, "place": evil}, headers=school.headers("teacher"))
    reader = browser("safety_head")
    for path in ("/cases", "/trail", "/cases/views"):
        answer = reader.get(
            path, params={"q": evil} if path == "/cases" else {"query": f"q={evil}"} if "views" in path else {}
        )
        assert answer.status_code == 200 and "<script>" not in answer.text and "<img src=x" not in answer.text


@pytest.mark.parametrize("path", ["/cases", "/cases?q=x", "/cases/views", "/cases/bulk", "/trail", "/trail?by=month"])
def test_an_english_page_has_no_chinese_of_ours(path: str, browser: Browser) -> None:
    text = browser("safety_head", "en").get(path).text
    own = re.sub(r"<option.*?</option>|<span>闭环</span>|<a [^>]*hreflang=\"zh-CN\".*?</a>", "", text)
    assert "<h1>" in own and not re.search(r"[一-鿿]", own), re.findall(r".{0,30}[一-鿿]+.{0,30}", own)


# --- views ---------------------------------------------------------------------------------------------------------------


def test_a_view_is_kept_opened_and_taken_away(client: httpx.Client, school: School, browser: Browser) -> None:
    found = numbers(client, school, "assigned", 1)
    reader = browser("safety_head")
    [save] = [
        address for address in got(reader, "/cases?state=assigned&q=插座").addresses if "/views?query=" in address
    ]
    fields = got(reader, save).form("/cases/views")
    kept = reader.post("/cases/views", data={**fields, "name": "后勤在办"})
    assert (kept.status_code, kept.headers["location"].partition("?")[0]) == (303, "/cases")
    page = got(reader, kept.headers["location"])
    assert "后勤在办" in page.words and listed(page) == found
    [opened] = {address for address in got(reader, "/cases/views").addresses if address.startswith("/cases?")}
    assert listed(got(reader, opened)) == found
    assert "后勤在办" not in got(browser("principal"), "/cases").words, "it is his alone"
    form = next(form for form in got(reader, "/cases/views").forms if str(form["action"]).endswith("/remove"))
    other = browser("principal")
    theirs = {"csrf": got(other, "/cases/views").form("/sign-out")["csrf"]}
    assert other.post(form["action"], data=theirs).status_code == 404
    assert other.post(form["action"], data=form["fields"]).status_code == 403
    assert reader.post(form["action"], data=form["fields"]).headers["location"] == "/cases?done=removed"
    assert "后勤在办" not in got(reader, "/cases?done=removed").words


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\u202eb"])
def test_a_view_s_name_is_refused_beside_its_field_and_stays(name: str, browser: Browser) -> None:
    reader = browser("safety_head")
    fields = got(reader, "/cases/views?query=state%3Dassigned").form("/cases/views")
    refused = reader.post("/cases/views", data={**fields, "name": name})
    assert refused.status_code == 422 and 'id="name-fault"' in refused.text
    assert Page(refused.text).form("/cases/views")["name"] == name.strip()


def test_views_are_replaced_by_name_and_not_without_end(runtime: Runtime, school: School) -> None:
    now = runtime.clock.now()
    with runtime.database.write("school") as connection:
        for number in range(views.MOST):
            assert views.keep(connection, "school", "teacher", f"{number}", [("q", "a")], now)
        assert not views.keep(connection, "school", "teacher", "more", [], now)
        assert views.keep(connection, "school", "teacher", "7", [("q", "b")], now)
        assert views.keep(connection, "school", "driver", "7", [], now)
    with runtime.database.read("school") as connection:
        kept = {view.name: view.said for view in views.of(connection, "school", "teacher")}
    assert len(kept) == views.MOST and kept["7"] == [("q", "b")]


# --- bulk ----------------------------------------------------------------------------------------------------------------


def preview(reader: httpx.Client, trigger: str, found: list[str]) -> Page:
    return got(reader, f"/cases/bulk/{trigger}?" + "&".join(f"number={number}" for number in found))


def sent(page: Page, text: str, found: list[str], trigger: str) -> dict[str, str | list[str]]:
    """What the form of a preview sends: its fields, and each of its cases."""
    return {**page.form(f"/cases/bulk/{trigger}"), "case": re.findall(r'name="case" value="([^"]+)"', text)}


def pressed(
    reader: httpx.Client, trigger: str, found: list[str], **more: str
) -> tuple[httpx.Response, dict[str, str | list[str]]]:
    path = f"/cases/bulk/{trigger}?" + "&".join(f"number={number}" for number in found)
    text = reader.get(path).text
    fields = {**sent(Page(text), text, found, trigger), **more}
    return reader.post(f"/cases/bulk/{trigger}", data=fields), fields


def test_what_is_ticked_is_offered_the_steps_it_knows(client: httpx.Client, school: School, browser: Browser) -> None:
    verified, assigned = numbers(client, school, "verified", 2), numbers(client, school, "assigned", 1)
    page = got(browser("safety_head"), "/cases/bulk?" + "&".join(f"number={n}" for n in verified + assigned))
    offered = [address for address in page.addresses if address.startswith("/cases/bulk/")]
    assert offered[0].startswith("/cases/bulk/close?") and "2/3" in page.words


def test_a_preview_says_what_would_happen_to_each_and_does_nothing(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    verified, assigned = numbers(client, school, "verified", 2), numbers(client, school, "assigned", 1)
    reader = browser("safety_head")
    path = "/cases/bulk/close?" + "&".join(f"number={number}" for number in [*verified, *assigned])
    text = reader.get(path).text
    assert len(re.findall(r'name="case"', text)) == 2 and "不会办理，原因如下" in text
    assert in_json(reader, "state=verified") == verified[::-1]


def test_one_press_closes_all_of_them_and_a_second_says_the_same(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    found = numbers(client, school, "verified", 3)
    reader = browser("safety_head")
    answer, fields = pressed(reader, "close", found)
    assert answer.status_code == 303, answer.text
    assert "已全部办理" in got(reader, answer.headers["location"]).words
    again = reader.post("/cases/bulk/close", data=fields)
    assert (again.status_code, again.headers["location"]) == (303, answer.headers["location"])
    assert sorted(in_json(reader, "state=closed")) == found


def test_a_case_that_moved_on_is_told_and_the_others_are_done(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    one, two = numbers(client, school, "verified", 2)
    reader = browser("safety_head")
    path = f"/cases/bulk/close?number={one}&number={two}"
    text = reader.get(path).text
    fields = sent(Page(text), text, [one, two], "close")
    done = client.post(f"/api/v1/repairs/{one}/close", json={}, headers=school.headers("safety_head"))
    assert done.status_code == 200
    answer = reader.post("/cases/bulk/close", data=fields)
    page = Page(answer.text)
    assert answer.status_code == 200 and "未办理（1 项）" in page.words and "已办理（1 项）" in page.words
    assert sorted(in_json(reader, "state=closed")) == [one, two]


def test_the_step_s_form_is_asked_once_and_its_fault_stands_at_its_field(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    found = numbers(client, school, "fixed", 2)
    reader = browser("safety_staff")
    refused, fields = pressed(reader, "return", found, why=" ")
    assert refused.status_code == 422 and 'id="f-why-fault"' in refused.text
    assert in_json(reader, "state=fixed") == found[::-1], "nothing was done"
    text = refused.text
    mended = {**sent(Page(text), text, found, "return"), "why": "灯不亮"}
    assert mended["key"] == fields["key"]
    assert reader.post("/cases/bulk/return", data=mended).status_code == 303
    assert sorted(in_json(reader, "state=assigned")) == found


def test_each_is_done_in_the_name_of_whom_the_preview_said(
    client: httpx.Client, school: School, runtime: Runtime, browser: Browser
) -> None:
    found = numbers(client, school, "verified", 2)
    with runtime.database.write_across() as connection:
        away = Absence("a", "safety_head", START.date(), START.date(), "teacher")
        people.add_absence(connection, "school", away)
    reader = browser("teacher")
    answer, fields = pressed(reader, "close", found)
    assert answer.status_code == 303, answer.text
    assert reader.post("/cases/bulk/close", data=fields).headers["location"] == answer.headers["location"]
    told = client.get(f"/api/v1/repairs/{found[0]}/events", headers=school.headers("safety_head")).json()["items"][-1]
    assert (told["actor"], told["on_behalf_of"]) == ("person:teacher", "person:safety_head")


def test_a_bulk_without_its_token_or_of_too_many_does_nothing(
    client: httpx.Client, school: School, runtime: Runtime, browser: Browser
) -> None:
    found = numbers(client, school, "verified", 1)
    reader = browser("safety_head")
    text = reader.get(f"/cases/bulk/close?number={found[0]}").text
    fields = sent(Page(text), text, found, "close")
    assert reader.post("/cases/bulk/close", data={**fields, "csrf": ""}).status_code == 403
    many = [f"WX-2020-{number:04}:1" for number in range(1, 202)]
    assert reader.post("/cases/bulk/close", data={**fields, "case": many}).status_code == 422
    assert reader.get("/cases/bulk?" + "&".join(f"number=WX-2020-{n:04}" for n in range(201))).status_code == 422
    assert reader.post("/cases/bulk/nothing", data=fields).status_code == 404
    assert in_json(reader, "state=verified") == found
    with runtime.database.read_across() as connection:
        assert refusals.latest(connection, "school")


def test_a_second_press_of_a_single_step_is_answered_as_the_first(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    [number] = numbers(client, school, "fixed", 1)
    reader = browser("safety_staff")
    fields = {**got(reader, f"/cases/{number}/return").form(f"/cases/{number}/return"), "why": "灯不亮"}
    first, second = (reader.post(f"/cases/{number}/return", data=fields) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    events = client.get(f"/api/v1/repairs/{number}/events", headers=school.headers("safety_staff")).json()["items"]
    assert [event["trigger"] for event in events].count("return") == 1


# --- the trail -----------------------------------------------------------------------------------------------------------


def test_the_trail_is_asked_by_what_the_json_list_is_asked_by(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    [number] = numbers(client, school, "verified", 1)
    client.post(f"/api/v1/repairs/{number}/close", json={}, headers=school.headers("repairer"))
    reader = browser("auditor")
    for query, least in (
        ("", 5), (f"case={number}", 4), ("action=assign", 1), ("outcome=refused", 1), ("person=repairer", 1), ("type=opened", 1),
        (f"from={START:%Y-%m-%d}&to={START:%Y-%m-%d}", 5), ("to=2019-12-31", 0), ("workflow=repair&department=HQC", 1),
    ):  # fmt: skip
        days = f"from={START:%Y-%m-%d}" in query
        answer = reader.get(
            "/api/v1/events", params=dict(p.split("=") for p in query.split("&") if p and not days and "to=" not in p)
        )
        rows = reader.get(f"/trail?{query}").text.count('<th scope="row" class="title">')
        assert rows >= least, query
        if "to=" not in query:
            assert rows == len(answer.json()["items"]), query


def test_the_trail_is_counted_by_two_and_each_count_lists_its_entries(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    numbers(client, school, "verified", 2)
    reader = browser("auditor")
    text = reader.get("/trail?by=month&by=action").text
    tallies = re.findall(r'<td class="figure"><a href="([^"]+)">(\d+)</a>', text)
    assert len(tallies) >= 4
    for address, count in tallies:
        assert reader.get(address.replace("&amp;", "&")).text.count('<th scope="row" class="title">') == int(count), (
            address
        )
    assert reader.get("/trail?by=day&by=month").status_code == 422


def test_the_trail_is_taken_away_and_says_how_far_it_is_sealed(
    client: httpx.Client, school: School, browser: Browser
) -> None:
    numbers(client, school, "reported", 2)
    reader = browser("auditor")
    page = got(reader, "/trail?action=open")
    files = {address.rpartition("=")[2]: address for address in page.addresses if "format=" in address}
    assert set(files) == {"xlsx", "csv", "jsonl"}
    assert reader.get(files["jsonl"]).text.count("\n") == 2
    assert "还没有签名过" in page.words and "尚未签名" in page.words
    assert "签署状态" not in got(browser("teacher"), "/trail").words, "the seal is shown to who oversees"
