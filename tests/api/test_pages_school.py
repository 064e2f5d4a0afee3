"""The pages that run a school: the same ways as the JSON addresses, for the same people, and what would go wrong is told first."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import first_visit
from api.app import create_app
from api.pages.school.front import fixes_of
from engine.errors import Text
from engine.events import LOGBOOK
from engine.proof import Finding
from engine.store import calendars, history, people, policies
from tests.api.pages import Page, got, sign_in
from tests.builders import PASSWORD, a_runtime
from tests.databases import Kind
from tests.fakes import calling
from tests.journeys.campus import DAY, SCHOOL, Campus, a_campus


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as made:
        made.administrator("keeper")
        made.let_in("keeper", "teacher", "officer", "clerk", "fixer")
        yield made


def as_(campus: Campus, who: str) -> httpx.Client:
    campus.client.cookies.clear()
    assert sign_in(campus.client, who).status_code == 303
    return campus.client


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """What pressing the button of the form at this address sends, with these fields filled in."""
    page = got(client, path)
    action = path.partition("?")[0]
    [form] = [each["fields"] for each in page.forms if each["action"] not in ("/sign-out", None)]
    [address] = [each["action"] for each in page.forms if each["fields"] is form]
    kept = {
        name: value
        for name, value in form.items()
        if name in ("csrf", "key", "role", "scope", "active", "kind", "known")
    }
    return client.post(address or action, data={**kept, **{n.replace("__", "."): v for n, v in fields.items()}})


# --- who may ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, keeper, officer, teacher",
    [
        ("/school", 200, 200, 200), ("/school/people", 200, 403, 403), ("/school/people/fixer", 200, 403, 403),
        ("/school/people?q=%00", 200, 403, 403), ("/school/people/nobody", 404, 403, 403), ("/school/new-person", 200, 403, 403), ("/school/dead-corners", 200, 200, 403),
        ("/school/channels", 200, 403, 403), ("/school/dead-letters", 200, 200, 403), ("/school/workflows/hazard", 200, 200, 200),
        ("/school/workflows/hazard/policy", 200, 403, 403), ("/school/calendars/new", 200, 403, 403), ("/school/groups/nothing", 404, 404, 404),
        ("/school/workflows/nothing", 404, 404, 404), ("/calendar?on=2020-13-99&of=elsewhere", 200, 200, 200),
    ],
)  # fmt: skip
def test_each_page_is_open_to_whom_its_json_address_is_open(
    path: str, keeper: int, officer: int, teacher: int, campus: Campus
) -> None:
    for who, status in (("keeper", keeper), ("officer", officer), ("teacher", teacher)):
        answer = as_(campus, who).get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status, who
        assert answer.headers["content-type"].startswith("text/html")


def test_who_stands_in_for_the_administrator_runs_the_school_in_his_name(campus: Campus) -> None:
    assert as_(campus, "clerk").get("/school/people").status_code == 403
    campus.away("keeper", "clerk")
    client = as_(campus, "clerk")
    done = send(client, "/school/people/fixer/grant", role="teacher", scope="*")
    assert (done.status_code, done.headers["location"]) == (303, "/school/people/fixer?done=granted")
    with campus.runtime.database.read(SCHOOL) as connection:
        change = people.changes(connection, SCHOOL)[-1]
    assert (change["by"], change["about"]["on_behalf_of"]) == ("person:clerk", "keeper")


def test_who_stands_in_keeps_the_labels_too_in_his_name(campus: Campus) -> None:
    assert as_(campus, "clerk").get("/school/labels").status_code == 403
    campus.away("keeper", "clerk")
    client = as_(campus, "clerk")
    form = got(client, "/school/labels").form("/school/labels")
    assert client.post("/school/labels", data={**form, "place": "东门"}).status_code == 303
    form = got(client, "/school/labels").form("/school/labels/policy")
    assert client.post("/school/labels/policy", data={**form, "anonymous_reports": "yes"}).status_code == 303
    with campus.runtime.database.read(SCHOOL) as connection:
        noted = history.events_of(connection, SCHOOL, LOGBOOK)[-2:]
    assert [(event.trigger, event.actor, event.on_behalf_of) for event in noted] == [
        ("label_changed", "person:clerk", "person:keeper"), ("policy_changed", "person:clerk", "person:keeper")
    ]  # fmt: skip


# --- people ----------------------------------------------------------------------------------------------------------------


def test_a_person_is_added_changed_and_found_again(campus: Campus) -> None:
    client = as_(campus, "keeper")
    bad = send(client, "/school/new-person", person="Xin!", name="新教师")
    assert bad.status_code == 422 and 'id="f-person-fault"' in bad.text and "新教师" in bad.text
    bad = send(client, "/school/new-person", person="xin", name="新教师", addresses__email="nope")
    assert bad.status_code == 422 and 'id="f-addresses-email-fault"' in bad.text and "不是一个邮箱地址" in bad.text
    added = send(
        client, "/school/new-person", person="xin", name="新教师", department="XB1", addresses__email="xin@example.org"
    )
    assert added.headers["location"] == "/school/people/xin?done=added"
    bad = send(client, "/school/people/xin/change", name="新老师", addresses__phone="abc")
    assert bad.status_code == 422 and 'id="f-addresses-phone-fault"' in bad.text and "不是一个电话号码" in bad.text
    changed = send(
        client,
        "/school/people/xin/change",
        name="新老师",
        department="",
        post="教师",
        addresses__email="xin@example.org",
    )
    assert changed.headers["location"] == "/school/people/xin?done=changed"
    with campus.runtime.database.read(SCHOOL) as connection:
        found = people.person(connection, SCHOOL, "xin")
        last = people.changes(connection, SCHOOL)[-1]["about"]
    assert found is not None and (found.name, found.department, found.post) == ("新老师", None, "教师")
    assert found.addresses == {"email": "xin@example.org"} and "addresses" not in last, (
        "what is so already is no change"
    )
    assert "新老师" in got(client, "/school/people?q=xin").words
    assert "没有找到" in got(client, "/school/people?q=nobody-at-all").words


def test_a_change_that_opens_a_dead_corner_is_told_and_has_to_be_meant(campus: Campus) -> None:
    client = as_(campus, "keeper")
    refused = None
    for who in ("officer", "head"):
        refused = send(client, f"/school/people/{who}/active")
    assert refused is not None and refused.status_code == 409
    page = Page(refused.text)
    assert "没有任何内容被改动" in page.words and 'name="confirmed"' in refused.text
    meant = client.post(
        "/school/people/head/active", data={**page.form("/school/people/head/active"), "confirmed": "yes"}
    )
    assert meant.headers["location"] == "/school/people/head?done=active"
    report = got(client, "/school/dead-corners")
    assert "会卡住的地方" in report.words
    assert any(address.startswith("/school/people") for address in report.addresses)


def test_the_last_administrator_stays(campus: Campus) -> None:
    client = as_(campus, "keeper")
    refused = send(client, "/school/people/keeper/withdraw?role=administrator&scope=*")
    assert refused.status_code == 422 and "最后一名系统管理员" in Page(refused.text).words


def test_a_first_password_is_shown_once_and_not_for_oneself(campus: Campus) -> None:
    client = as_(campus, "keeper")
    shown = send(client, "/school/people/clerk/password")
    assert shown.status_code == 200 and re.search(r'class="secret">[^<]{10,}<', shown.text)
    assert 'class="secret"' not in client.get("/school/people/clerk").text
    assert send(client, "/school/people/keeper/password").status_code == 403


# --- away ------------------------------------------------------------------------------------------------------------------


def test_one_writes_one_s_own_absence_down_once_however_often_the_button_is_pressed(campus: Campus) -> None:
    client = as_(campus, "fixer")
    form = got(client, "/account/away/new").form("/account/away/new")
    body = {
        "csrf": form["csrf"],
        "key": form["key"],
        "first_day": f"{DAY}",
        "last_day": "2020-03-06",
        "delegate": "clerk",
    }
    for _ in range(2):
        assert client.post("/account/away/new", data=body).headers["location"] == "/account/away?done=away"
    with campus.runtime.database.read(SCHOOL) as connection:
        mine = [a for a in people.absences(connection, SCHOOL) if a.person == "fixer"]
    assert [(a.delegate, a.last_day.isoformat()) for a in mine] == [("clerk", "2020-03-06")]
    assert "全部职责" in got(client, "/account/away").words
    strange = client.post("/account/away/nothing/end", data={"csrf": form["csrf"]})
    assert strange.status_code == 404


# --- groups, departments, numbers, holidays ----------------------------------------------------------------------------------


def test_a_seat_is_added_and_taken_away(campus: Campus) -> None:
    client = as_(campus, "keeper")
    at = "/school/groups/acceptance_group"
    assert send(client, f"{at}/seat", holder="clerk", rank="chair").headers["location"] == f"{at}?done=set"
    with campus.runtime.database.read(SCHOOL) as connection:
        [group] = [g for g in people.groups(connection, SCHOOL) if g.code == "acceptance_group"]
    number = next(n for n, seat in enumerate(group.seats) if seat.holder == "clerk")
    form = got(client, f"{at}/seats/{number}").form(f"{at}/seats/{number}")
    assert client.post(f"{at}/seats/{number}", data=form).headers["location"] == f"{at}?done=set"
    assert "姓名-clerk" not in got(client, at).words


def test_how_many_a_group_needs_is_changed_and_too_many_are_refused_beside_the_field(campus: Campus) -> None:
    client = as_(campus, "keeper")
    at = "/school/groups/acceptance_group"
    with campus.runtime.database.read(SCHOOL) as connection:
        [before] = [g for g in people.groups(connection, SCHOOL) if g.code == "acceptance_group"]
    form = got(client, f"{at}/least").form(f"{at}/least")
    assert form["least"] == str(before.least) and f'href="{at}/least"' in client.get(at).text
    for wrong in ("", "0", "两人", str(len(before.seats) + 1)):
        answer = client.post(f"{at}/least", data={**form, "least": wrong})
        assert answer.status_code == 422 and 'id="f-least-fault"' in answer.text, wrong
        assert Page(answer.text).form(f"{at}/least")["least"] == wrong  # what was typed is kept
    after = len(before.seats)
    assert client.post(f"{at}/least", data={**form, "least": str(after)}).headers["location"] == f"{at}?done=set"
    with campus.runtime.database.read(SCHOOL) as connection:
        assert replace(before, least=after) in people.groups(connection, SCHOOL)


def test_a_department_is_made_and_called_otherwise(campus: Campus) -> None:
    client = as_(campus, "keeper")
    made = send(client, "/school/department", code="NEW", name__zh="新部门", external="no", owes_monthly="yes")
    assert made.headers["location"] == "/school/departments?done=set"
    taken = send(client, "/school/department", code="NEW2", name__zh="新部门", external="no", owes_monthly="no")
    assert taken.status_code == 422 and "也叫这个名称" in taken.text
    assert "新部门" in got(client, "/school/departments").words
    assert client.get("/school/department?code=NEW", headers={"Accept": "text/html"}).status_code == 200
    again = {"name__zh": "更名部门", "external": "no", "owes_monthly": "yes"}
    assert send(client, "/school/department?code=NEW", code="NEW", **again).status_code == 303
    assert "更名部门" in got(client, "/school/departments").words


def test_a_new_department_takes_no_code_that_is_another_s(campus: Campus) -> None:
    client = as_(campus, "keeper")
    with campus.runtime.database.read(SCHOOL) as connection:
        before = people.departments(connection, SCHOOL)
    refused = send(client, "/school/department", code="HQC", name__zh="别的", external="yes", owes_monthly="no")
    assert refused.status_code == 422 and 'id="f-code-fault"' in refused.text
    words = Page(refused.text).words
    assert "代号 'HQC' 已是部门" in words and "点它旁边的“更改”" in words
    assert client.get("/school/department?code=ZZZ", headers={"Accept": "text/html"}).status_code == 404
    unknown = {**got(client, "/school/department?code=HQC").form("/school/department"), "code": "ZZZ"}
    assert client.post("/school/department", data=unknown).status_code == 404
    with campus.runtime.database.read(SCHOOL) as connection:
        assert people.departments(connection, SCHOOL) == before


def test_a_number_is_changed_after_a_look_at_what_that_does(campus: Campus) -> None:
    campus.hazard("fixed")
    client = as_(campus, "keeper")
    at = "/school/workflows/hazard/policy"
    form = got(client, at).form(at)
    wrong = client.post(at, data={**form, "verify_workdays": "0"})
    assert wrong.status_code == 422 and 'id="f-verify_workdays-fault"' in wrong.text
    seen = client.post(at, data={**form, "verify_workdays": "5", "verifier_may_approve": "no"})
    page = Page(seen.text)
    assert seen.status_code == 200 and "待复查：1" in page.words.replace("\n", "")
    with campus.runtime.database.read(SCHOOL) as connection:
        assert policies.in_force(connection, SCHOOL, "hazard") == (0, {}), "a look changes nothing"
    done = client.post(at, data=page.form(at))
    assert done.headers["location"] == "/school/workflows/hazard?done=set"
    with campus.runtime.database.read(SCHOOL) as connection:
        assert policies.in_force(connection, SCHOOL, "hazard")[1] == {"verify_workdays": 5}
    assert "本校自定" in got(client, "/school/workflows/hazard").words


def test_a_reminder_is_moved_after_a_look_at_when_it_would_come(campus: Campus) -> None:
    client, at = as_(campus, "keeper"), "/school/workflows/hazard/policy"
    form = got(client, at).form(at)
    assert (form["rung_offsets.before-3"], form["rung_offsets.after-3"]) == ("-3", "3")
    untidy = client.post(at, data={**form, "rung_offsets.before-3": "2"})
    assert untidy.status_code == 422 and "提醒的先后被打乱" in untidy.text
    no_number = client.post(at, data={**form, "rung_offsets.before-3": "soon"})
    assert no_number.status_code == 422 and 'id="f-rung_offsets-before-3-fault"' in no_number.text
    years = client.post(at, data={**form, "rung_offsets.before-3": "-366"})
    assert years.status_code == 422 and 'id="f-rung_offsets-before-3-fault">不能小于 -365<' in years.text
    seen = Page(client.post(at, data={**form, "rung_offsets.before-3": "-2"}).text)
    assert "到期前 3 个工作日" in seen.words and "到期前 2 个工作日" in seen.words
    assert client.post(at, data=seen.form(at)).headers["location"] == "/school/workflows/hazard?done=set"
    with campus.runtime.database.read(SCHOOL) as connection:
        assert policies.in_force(connection, SCHOOL, "hazard")[1] == {"rung_offsets": {"before-3": -2}}
    assert "到期前 2 个工作日" in got(client, "/school/workflows/hazard").words
    back = Page(client.post(at, data={**got(client, at).form(at), "rung_offsets.before-3": "-3"}).text)
    client.post(at, data=back.form(at))
    with campus.runtime.database.read(SCHOOL) as connection:
        assert policies.in_force(connection, SCHOOL, "hazard")[1] == {}, "as it was, nothing of its own"


def test_a_holiday_notice_is_typed_in_and_faults_stand_at_their_field(campus: Campus) -> None:
    client = as_(campus, "keeper")
    at = "/school/calendars/new"
    with campus.runtime.database.read(SCHOOL) as connection:
        before = calendars.newest(connection, SCHOOL)
    assert before is not None
    year = before.known_until.year
    said = {"known_from": f"{year}-01-01", "known_until": f"{before.known_until}"}
    untouched = got(client, at).form(at)
    for field, wrong in (
        ("days_off", {**said, "days_off": "春节"}),
        ("days_off", untouched),
        ("known_from", {**untouched, "known_from": "0001-01-01"}),
        ("known_until", {**untouched, "known_until": "9999-12-31"}),
        ("breaks", {**said, "days_off": f"{year}-05-01", "breaks": f"暑假 {year}-07-10 至 9999-12-31"}),
    ):
        refused = client.post(at, data={**untouched, **wrong})
        assert refused.status_code == 422 and f'id="f-{field}-fault"' in refused.text, wrong
    done = send(
        client, at, **said, days_off=f"{year}-05-01 至 {year}-05-05", breaks=f"暑假 {year}-07-10 至 {year}-08-31"
    )
    assert done.headers["location"] == "/school/calendars?done=loaded"
    assert "没有正在计的期限因此变动" in got(client, done.headers["location"]).words
    with campus.runtime.database.read(SCHOOL) as connection:
        after = calendars.newest(connection, SCHOOL)
    assert after is not None and (after.version, len(after.days_off)) == (before.version + 1, 5)
    assert [pause.name for pause in after.breaks] == ["暑假"]


def test_who_took_a_notice_in_and_moved_deadlines_stands_in_the_logbook(campus: Campus) -> None:
    """And the deadlines of cases he may not see are counted, and not shown to him."""
    number, client = campus.hazard("fixed").rpartition("/")[2], as_(campus, "keeper")
    assert client.get(f"/cases/{number}").status_code == 404
    with campus.runtime.database.read(SCHOOL) as connection:
        before = calendars.newest(connection, SCHOOL)
    assert before is not None
    off = f"{DAY + timedelta(days=1)} 至 {DAY + timedelta(days=20)}"
    said = {"known_from": f"{DAY.year}-01-01", "known_until": f"{DAY.year}-12-31"}
    assert send(client, "/school/calendars/new", **said, days_off=off).status_code == 303
    page = got(client, "/school/calendars?done=loaded")
    assert (
        "都还没有动：1" in page.words and "正在计的期限不会自己变动" in page.words and "另有 1 项未列出" in page.words
    )
    assert f"/cases/{number}" not in page.addresses
    front = got(client, "/school")
    assert "还没有按新的放假安排重新计算的期限和提醒：1" in front.words and "/school/calendars#moves" in front.addresses
    assert "重新计算的期限和提醒" not in got(as_(campus, "teacher"), "/school").words, (
        "who cannot do it is not asked to"
    )
    page = got(as_(campus, "keeper"), "/school/calendars")
    done = client.post("/school/calendars/recompute", data=page.form("/school/calendars/recompute"))
    assert done.headers["location"] == "/school/calendars?done=moved-1"
    with campus.runtime.database.read(SCHOOL) as connection:
        noted = history.events_of(connection, SCHOOL, LOGBOOK)[-2:]
    assert [(event.trigger, event.actor, event.data["what"]) for event in noted] == [
        ("calendar_changed", "person:keeper", "loaded"), ("calendar_changed", "person:keeper", "recomputed")
    ]  # fmt: skip
    assert "重新计算的期限和提醒" not in got(client, "/school").words


# --- the calendar -----------------------------------------------------------------------------------------------------------


def test_the_calendar_shows_the_deadlines_one_may_see_and_no_others(campus: Campus) -> None:
    number = campus.hazard("assigned").rsplit("/", 1)[1]
    assert f"/cases/{number}" in got(as_(campus, "officer"), "/calendar").addresses
    assert f"/cases/{number}" in got(as_(campus, "fixer"), "/calendar?of=mine").addresses
    assert f"/cases/{number}" not in got(as_(campus, "clerk"), "/calendar").addresses
    assert f"/cases/{number}" not in got(as_(campus, "clerk"), "/calendar?of=HQC").addresses


# --- dead corners -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, key, address",
    [
        ("dormant_grant", "dormant_grant|some-body-dept_head-HQC", "/school/people/some-body"),
        ("grant_of_nothing", "grant_of_nothing|some-body-nothing", "/school/people/some-body"),
        ("person_unreached", "unreached:some.body", "/school/people/some.body"), ("channel_down", "channel:group-1", "/school/channels/group-1"),
        ("group_too_small", "group_too_small|acceptance_group", "/school/groups/acceptance_group"),
        ("department_without_dept_head", "department_without_dept_head|HQC", "/school/people?department=HQC"),
        ("stuck_case", "stuck|YH-2020-0001", "/cases/YH-2020-0001"), ("calendar_ends", "calendar_ends|", "/school/calendars"),
    ],
)  # fmt: skip
def test_each_dead_corner_leads_to_where_it_is_mended(code: str, key: str, address: str) -> None:
    finding = Finding(key, code, False, Text("某", "x"), Text("某", "x"), DAY)
    assert fixes_of(finding)[0][0] == address


# --- the first visit ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(tmp_path: Path, kind: Kind) -> Iterator[Any]:
    with closing(a_runtime(tmp_path / "empty", kind)) as runtime, calling(create_app(runtime)) as client:
        yield runtime, client


def test_only_who_has_the_code_sets_a_school_up_and_only_once(empty: Any) -> None:
    runtime, client = empty
    assert client.get("/sign-in").headers["location"] == "/setup"
    code = first_visit.code_of(runtime.folder)
    form = got(client, f"/setup?code={code}").form("/setup")
    said = {
        **form, "name": "第一职业学校", "organisation": "no1", "administrator": "admin", "administrator_name": "信息员",
        "password": PASSWORD, "again": PASSWORD, "departments": "yes",
    }  # fmt: skip
    assert client.get("/setup?code=0000").status_code == 422
    for wrong in (
        {"code": "0000"},
        {"code": ""},
        {"again": "another phrase"},
        {"organisation": "No 1"},
        {"password": "short", "again": "short"},
    ):
        assert client.post("/setup", data={**said, **wrong}).status_code == 422, wrong
    assert client.post("/setup", data={**said, "csrf": "0" * 64}).status_code == 403
    assert client.post("/setup", data=said, headers={"Origin": "http://evil.example"}).status_code == 403
    assert first_visit.is_open(runtime)
    done = client.post("/setup", data=said)
    assert done.status_code == 201 and 'class="secret"' in done.text and PASSWORD not in done.text
    assert client.post("/setup", data=said).status_code == 404
    assert client.get(f"/setup?code={code}").status_code == 404
    assert not (runtime.folder.keys / first_visit.KEY).exists()
    assert sign_in(client, "admin").headers["location"] == "/mine"
