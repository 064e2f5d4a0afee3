"""First passwords on paper: each let in as the paper says, none lost on the way, and never two papers that both seem to hold."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import pytest

from api.pages.school.first_passwords import EVERYBODY, NOWHERE, lots
from api.pages.school.people import FIRST_PASSWORDS
from engine.store import accounts, people
from engine.store.accounts import Password, Unopened
from tests.api.pages import Page, got, sign_in
from tests.databases import Kind, dropping_copies
from tests.journeys.campus import SCHOOL, Campus, a_campus

HTML = {"Accept": "text/html", "Accept-Language": "zh-CN"}
NOON = datetime(2020, 3, 2, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[Campus]:
    with dropping_copies(), a_campus(tmp_path_factory.mktemp("first"), kind) as made:
        made.administrator("keeper")
        made.let_in("keeper", "teacher", "second")
        yield made


def forms(page: Page, department: str, *, again: bool = False) -> list[dict[str, str]]:
    """What the buttons of a department send, as the page shows them."""
    sent = [form["fields"] for form in page.forms if form["action"] == FIRST_PASSWORDS]
    of_it = [form for form in sent if form["department"] == department and bool(form["again"]) is again]
    return [{name: value for name, value in form.items() if name != "void"} for form in of_it]  # not ticked yet


def as_(campus: Campus, who: str) -> httpx.Client:
    campus.client.cookies.clear()
    assert sign_in(campus.client, who).status_code == 303
    return campus.client


def lines_of(paper: httpx.Response) -> dict[str, tuple[str, str]]:
    """Account → department and password, as the paper has them."""
    assert paper.status_code == 200 and "attachment" in paper.headers["content-disposition"], paper.text
    assert paper.headers["cache-control"] == "no-store"
    rows = [*openpyxl.load_workbook(io.BytesIO(paper.content)).worksheets[0].iter_rows(values_only=True)]
    return {str(row[3]): (str(row[1]), str(row[4])) for row in rows[4:]}


def opens(campus: Campus, who: str, password: str) -> bool:
    campus.client.cookies.clear()
    answer = sign_in(campus.client, who, password)
    return answer.status_code == 303 and answer.headers["location"] == "/account"  # where he changes it


def test_a_paper_lets_in_whoever_stands_on_it_and_only_the_last_one_does(campus: Campus) -> None:
    client = as_(campus, "keeper")
    shown = got(client, FIRST_PASSWORDS)
    [form] = forms(shown, "HQC")
    paper = client.post(FIRST_PASSWORDS, data=form, headers=HTML)
    first = lines_of(paper)
    assert len(first) > 3 and {where for where, _ in first.values()} == {"总务后勤处"}
    told = str(openpyxl.load_workbook(io.BytesIO(paper.content)).worksheets[0]["A3"].value)
    assert told.startswith(f"总务后勤处，{len(first)} 人，2020-03-02 ") and "以最晚的一张为准" in told
    pressed_twice = client.post(FIRST_PASSWORDS, data=form, headers=HTML)
    assert pressed_twice.status_code == 409 and "首次密码刚生成过" in pressed_twice.text
    assert "浏览器的下载" in pressed_twice.text and not forms(Page(pressed_twice.text), "HQC")
    [over_all] = forms(shown, EVERYBODY)
    assert client.post(FIRST_PASSWORDS, data=over_all, headers=HTML).status_code == 409, "some of them have one by now"
    assert opens(campus, "fixer", first["fixer"][1]), "what was refused changed nothing"

    client = as_(campus, "keeper")
    [again] = forms(got(client, FIRST_PASSWORDS), "HQC", again=True)
    not_said = client.post(FIRST_PASSWORDS, data=again, headers=HTML)
    assert not_said.status_code == 422 and "旧表作废" in not_said.text
    second = lines_of(client.post(FIRST_PASSWORDS, data={**again, "void": "yes"}, headers=HTML))
    assert second.keys() == first.keys()
    assert client.post(FIRST_PASSWORDS, data={**again, "void": "yes"}, headers=HTML).status_code == 409, "nor twice"
    assert not opens(campus, "fixer", first["fixer"][1]) and opens(campus, "fixer", second["fixer"][1])
    with campus.runtime.database.read(SCHOOL) as connection:
        noted = [
            each["about"] for each in people.changes(connection, SCHOOL) if each["what"] == "first_passwords_drawn"
        ]
    assert [(sorted(each["persons"]), each["instead"]) for each in noted] == [
        (sorted(first), 0),
        (sorted(first), len(first)),
    ]


def test_only_the_administrator_draws_them_and_his_delegate_none_of_those_who_oversee(campus: Campus) -> None:
    shown = got(as_(campus, "keeper"), FIRST_PASSWORDS)
    [form] = forms(shown, EVERYBODY)
    client = as_(campus, "teacher")
    csrf = got(client, "/mine").form("/sign-out")["csrf"]
    assert client.get(FIRST_PASSWORDS, headers=HTML).status_code == 403
    assert client.post(FIRST_PASSWORDS, data={**form, "csrf": csrf}, headers=HTML).status_code == 403
    campus.away("keeper", "second")
    client = as_(campus, "second")
    page = got(client, FIRST_PASSWORDS)
    assert "须由系统管理员本人办理" in page.words
    csrf = forms(page, EVERYBODY)[0]["csrf"]
    crafted = {**form, "csrf": csrf}  # what his administrator was shown, and may do
    assert client.post(FIRST_PASSWORDS, data=crafted, headers=HTML).status_code == 409
    with campus.runtime.database.read(SCHOOL) as connection:
        assert accounts.password(connection, SCHOOL, "principal") is None


def test_who_was_taken_off_the_list_since_the_page_was_shown_is_told_as_that(campus: Campus) -> None:
    client = as_(campus, "keeper")
    [form] = forms(got(client, FIRST_PASSWORDS), EVERYBODY)
    with campus.runtime.database.write(SCHOOL) as connection:
        him = people.person(connection, SCHOOL, accounts.unopened(connection, SCHOOL)[-1].person)
        assert him is not None
        people.update_person(connection, replace(him, active=False))
    answer = client.post(FIRST_PASSWORDS, data=form, headers=HTML)
    assert answer.status_code == 409 and "在名册中有了变动" in answer.text
    with campus.runtime.database.write(SCHOOL) as connection:
        assert accounts.password(connection, SCHOOL, him.person) is None
        people.update_person(connection, him)


def test_who_chooses_his_own_at_the_very_moment_keeps_it(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at inside the transaction may be older than what another one commits while it writes."""
    client = as_(campus, "keeper")
    with campus.runtime.database.read(SCHOOL) as connection:
        before = accounts.unopened(connection, SCHOOL)
    him = next(each for each in before if each.department != "HQC" and each.kept is None)
    [form] = forms(got(client, FIRST_PASSWORDS), him.department or NOWHERE)
    with campus.runtime.database.write_across() as connection:
        accounts.set_password(connection, SCHOOL, him.person, "his own", NOON, must_change=False)
    monkeypatch.setattr(accounts, "unopened", lambda *_: before)
    answer = client.post(FIRST_PASSWORDS, data=form, headers=HTML)
    assert answer.status_code == 409 and "已自己设了密码" in answer.text
    with campus.runtime.database.read(SCHOOL) as connection:
        kept = {each.person: accounts.password(connection, SCHOOL, each.person) for each in before}
    assert kept[him.person] == Password("his own", NOON, must_change=False)
    assert all((kept[each.person] is None) == (each.kept is None) for each in before if each != him), (
        "nor anybody else's"
    )


def test_a_form_that_means_nobody_draws_nothing(campus: Campus) -> None:
    client = as_(campus, "keeper")
    [form] = forms(got(client, FIRST_PASSWORDS), EVERYBODY)
    for wrong in ({"seen": ""}, {"first": "~"}, {"department": "none"}, {"again": "yes", "void": "yes"}):
        assert client.post(FIRST_PASSWORDS, data={**form, **wrong}, headers=HTML).status_code == 409, wrong


# --- papers --------------------------------------------------------------------------------------------------------------


def test_a_large_department_has_several_papers_and_nobody_stands_on_two() -> None:
    some = [
        Unopened(f"p{n}", f"人{n}", ("A", "B", None)[n % 3], None, *(("hash", NOON) if n >= 12 else (None, None)))
        for n in range(15)
    ]
    called: dict[str, Any] = {"A": "甲处", "B": "乙处", EVERYBODY: "全校", NOWHERE: "不属于部门"}
    some.sort(key=lambda each: each.person)
    found = lots(some, called.__getitem__, ZoneInfo("Asia/Shanghai"), most=3)
    assert [lot.title for lot in found] == ["全校", "乙处", "甲处", "不属于部门"]
    assert [(lot.fresh, lot.given, lot.since) for lot in found[:2]] == [
        (12, 3, "2020-03-02 12:00"),
        (4, 1, "2020-03-02 12:00"),
    ]
    for lot in found:
        mine = [each for each in some if lot.parts[0].department in (EVERYBODY, each.department or NOWHERE)]
        for parts, given in ((lot.parts, False), (lot.again, True)):
            of_each = [
                [e.person for e in mine if part.first <= e.person <= part.last and (e.kept is not None) is given]
                for part in parts
            ]
            assert [len(them) for them in of_each] == [part.count for part in parts] and max(map(len, of_each)) <= 3
            assert sorted(key for them in of_each for key in them) == sorted(
                e.person for e in mine if (e.kept is not None) is given
            )
    alone = lots([replace(each, department="A") for each in some[:2]], called.__getitem__, ZoneInfo("UTC"))
    assert [lot.title for lot in alone] == ["甲处"], "one department is the whole school"
    assert lots([], called.__getitem__, ZoneInfo("UTC")) == []
    [other] = lots([replace(some[-1], kept="another", drawn_at=NOON)], called.__getitem__, ZoneInfo("UTC"))
    [same] = lots([replace(some[-1], kept="hash", drawn_at=NOON)], called.__getitem__, ZoneInfo("UTC"))
    assert (
        replace(other.again[0], seen="") == replace(same.again[0], seen="")
        and other.again[0].seen != same.again[0].seen
    )
