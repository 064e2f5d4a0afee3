"""The trail over HTTP: events and refusals by whatever they are asked by, lists as they were known, files to take away."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import httpx
import openpyxl
import pytest
from sqlalchemy import text

from api.bootstrap import Runtime
from api.papers.listing import harmless
from api.routes.taking import BOOKS, TOO_MANY
from api.trail import brought_up_to_date, title_anywhere
from engine.clock import SimulatedClock
from engine.commands import Asked, OpenCase
from engine.errors import Text
from engine.events import LOGBOOK
from engine.handle import handle
from engine.store import history
from tests.builders import START, School
from workflows import CATALOG

REPAIR = {"title": "插座松动", "place": "实训楼 A-101"}


class Asking:
    """Somebody of the school with its clock: what he reports, does and asks."""

    def __init__(self, client: httpx.Client, runtime: Runtime, school: School) -> None:
        self.client, self.runtime, self.school = client, runtime, school

    def later(self, **delta: float) -> None:
        assert isinstance(self.runtime.clock, SimulatedClock)
        self.runtime.clock.advance(timedelta(**delta))

    def report(self, person: str = "teacher", **said: Any) -> str:
        answer = self.client.post("/api/v1/repairs", json={**REPAIR, **said}, headers=self.school.headers(person))
        assert answer.status_code == 201, answer.text
        number: str = answer.json()["number"]
        return number

    def step(self, person: str, number: str, trigger: str, status: int = 200, **said: Any) -> None:
        path = f"/api/v1/repairs/{number}/{trigger}"
        answer = self.client.post(path, json=said, headers=self.school.headers(person))
        assert answer.status_code == status, answer.text

    def file(self, path: str, who: str = "safety_head", /, *, status: int = 200, **asked: Any) -> httpx.Response:
        answer = self.client.get(f"/api/v1/{path}", params=asked, headers=self.school.headers(who))
        assert answer.status_code == status, answer.text
        return answer

    def get(self, path: str, who: str = "safety_head", /, **asked: Any) -> Any:
        return self.file(path, who, **asked).json()

    def actions(self, who: str = "safety_head", /, **asked: Any) -> list[str]:
        return [item["action"] for item in self.get("events", who, **asked)["items"]]


@pytest.fixture
def asking(client: httpx.Client, runtime: Runtime, school: School) -> Asking:
    return Asking(client, runtime, school)


@pytest.fixture
def fixed(asking: Asking) -> str:
    """A repair that was reported, assigned and fixed, an hour apart; and in between somebody tried what is not his."""
    number = asking.report()
    asking.later(hours=1)
    asking.step("safety_staff", number, "assign", assignee="repairer")
    asking.later(hours=1)
    asking.step("teacher", number, "fix", 403, done="我来修")
    asking.later(hours=1)
    asking.step("repairer", number, "fix", done="换了插座")
    return number


def at(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


@pytest.mark.parametrize(
    "asked, actions",
    [
        ({}, ["fix", "fix", "assign", "open"]),
        ({"outcome": "accepted"}, ["fix", "assign", "open"]),
        ({"outcome": "refused"}, ["fix"]),
        ({"from": at(1)}, ["fix", "fix", "assign"]),
        ({"to": at(1)}, ["open"]),
        ({"from": at(1), "to": at(2)}, ["assign"]),
        ({"person": "teacher"}, ["fix", "open"]),
        ({"actor": "person:repairer"}, ["fix"]),
        ({"on_behalf_of": "repairer"}, []),
        ({"action": "fix"}, ["fix", "fix"]),
        ({"type": "stepped"}, ["fix", "assign"]),
        ({"type": "opened"}, ["open"]),
        ({"type": "opened", "outcome": "refused"}, []),
        ({"case": "WX-2020-0001"}, ["fix", "fix", "assign", "open"]),
        ({"case": "WX-2020-0002"}, []),
        ({"department": "HQC"}, ["fix", "fix", "assign", "open"]),
        ({"department": "BWC"}, []),
        ({"workflow": "repair"}, ["fix", "fix", "assign", "open"]),
        ({"workflow": "repair", "department": "HQC", "action": "assign", "actor": "safety_staff"}, ["assign"]),
    ],
)
def test_events_and_refusals_are_asked_by_what_they_are(
    asked: dict[str, str], actions: list[str], asking: Asking, fixed: str
) -> None:
    assert asking.actions(**asked) == actions


def test_an_entry_says_what_was_done_by_whom_and_where_it_stands_in_the_trail(asking: Asking, fixed: str) -> None:
    last, refused, *_, first = asking.get("events")["items"]
    assert (last["outcome"], last["id"], last["sequence"], last["title"], last["by"]) == (
        "accepted", 2, 3, "整改", "维修人员",
    )  # fmt: skip
    assert (refused["outcome"], refused["id"], refused["code"], refused["by"]) == ("refused", 1, "not_allowed", "教师")
    assert "整改" in refused["sentence"] and refused["department"] == "HQC"
    assert (first["type"], first["title"], first["workflow"], first["state"]) == (
        "opened", "登记", "repair", "reported",
    )  # fmt: skip
    events = asking.get(f"repairs/{fixed}/events")["items"]
    assert [last["hash"], first["hash"]] == [events[2]["hash"], events[0]["hash"]]


@pytest.mark.parametrize(
    ("action", "number", "title"),
    [
        pytest.param("assign", "YH-2020-9999", "下达整改通知", id="as the loop of the number's series calls it"),
        pytest.param("assign", None, "下达整改通知／指定承办人", id="as all that draw it call it"),
        pytest.param("assign", "XX-2020-0001", "下达整改通知／指定承办人", id="a series of no loop"),
        pytest.param("send_back", None, "退回补正／退回重新汇总等", id="of very many names a few"),
        pytest.param("nothing", "YH-2020-0001", "其他步骤（nothing）", id="no loop draws it"),
    ],
)
def test_a_step_on_a_case_of_no_known_loop_is_called_in_words(action: str, number: str | None, title: str) -> None:
    told = title_anywhere(CATALOG, action, number)
    assert told.zh == title or (title.endswith("等") and told.zh.endswith("等") and told.zh.count("／") == 2)
    assert "_" not in told.en


def test_a_refused_step_on_a_case_that_is_not_there_has_its_title_in_the_trail(asking: Asking) -> None:
    for step in ("fix", "nothing"):
        asking.step("repairer", "WX-2020-9999", step, status=404)
    refused = asking.get("events", "repairer", outcome="refused")["items"]
    assert [(each["title"], each["workflow"]) for each in refused] == [("其他步骤（nothing）", None), ("整改", None)]


def test_what_was_done_in_somebody_s_name_is_found_by_either(asking: Asking) -> None:
    number = asking.report()
    day = START.date().isoformat()
    away = {"first_day": day, "last_day": day, "delegate": "safety_head"}
    answer = asking.client.post("/api/v1/people/me/absences", json=away, headers=asking.school.headers("safety_staff"))
    assert answer.status_code in (200, 201), answer.text
    headers = asking.school.headers("safety_head", Bihuan_On_Behalf_Of="safety_staff")
    path = f"/api/v1/repairs/{number}"
    assert asking.client.post(f"{path}/fix", json={"done": "x"}, headers=headers).status_code == 403
    assert asking.client.post(f"{path}/assign", json={"assignee": "repairer"}, headers=headers).status_code == 200
    both = ["assign", "fix"]
    for asked in ({"person": "safety_staff"}, {"on_behalf_of": "safety_staff"}, {"actor": "safety_head"}):
        assert sorted(asking.actions(**asked, case=number)) == both, asked
    assert asking.actions(actor="safety_staff", case=number) == []
    assert {item["on_behalf_of"] for item in asking.get("events", on_behalf_of="safety_staff")["items"]} == {
        "person:safety_staff"
    }
    assert asking.get("events", action="assign")["items"][0]["by"] == "安稳办主任 代 安稳办专职"


def test_a_row_that_cannot_be_read_stops_no_question_and_the_answer_says_what_it_lacks(
    asking: Asking, fixed: str
) -> None:
    assert asking.get("events")["unnumbered"] == 0
    asking.later(hours=1)
    asking.report(title="灯不亮")
    with asking.runtime.database.own() as connection:
        connection.execute(text("UPDATE disclosure SET entries = '[]' WHERE number = 'WX-2020-0002'"))
    asked: dict[str, dict[str, Any]] = {
        "events": {},
        "events/counts": {"by": "day"},
        "cases": {"as_of": at(4)},
        "cases/figures": {},
    }
    for path, question in asked.items():
        answer = asking.file(path, **question)
        assert answer.headers["Bihuan-Unnumbered"] == "1"
    assert asking.actions() == ["fix", "fix", "assign", "open"]
    assert asking.get("events/counts", by="outcome")["unnumbered"] == 1
    taken = asking.file("events", format="csv")
    assert (taken.headers["Bihuan-Unnumbered"], taken.headers["Bihuan-Rows"]) == ("1", "4")


def test_where_nothing_can_be_written_what_has_a_number_is_answered(asking: Asking, fixed: str) -> None:
    assert asking.get("events")["unnumbered"] == 0
    asking.report(title="灯不亮")
    with no_room(asking.runtime):
        found = asking.get("events")
    assert (len(found["items"]), found["unnumbered"]) == (4, 1)
    assert len(asking.get("events")["items"]) == 5


@contextmanager
def no_room(runtime: Runtime) -> Iterator[None]:
    """Nothing can be numbered: on a server the disk is full, in a file somebody else writes and does not end."""
    if not runtime.database.on_server:
        with closing(sqlite3.connect(runtime.folder.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    full = "BEGIN RAISE 'no room' USING ERRCODE = '53100'; END"
    with runtime.database.own() as connection:
        connection.execute(text(f"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ {full} $$"))
        connection.execute(text("CREATE TRIGGER no_room BEFORE INSERT ON trail EXECUTE FUNCTION no_room()"))
    yield
    with runtime.database.own() as connection:
        connection.execute(text("DROP TRIGGER no_room ON trail"))
        connection.execute(text("DROP FUNCTION no_room"))


def test_very_many_events_at_once_are_not_numbered_by_a_question(asking: Asking, fixed: str) -> None:
    """As just after an upgrade: whoever seals numbers them."""
    assert brought_up_to_date(asking.runtime, "school", seconds=0) == 3
    assert brought_up_to_date(asking.runtime, "school", seconds=None) == 0


def test_pages_follow_each_other_and_stay_what_they_are_while_more_is_recorded(asking: Asking) -> None:
    for number in range(4):
        asking.report(title=f"第 {number} 处")
        asking.step("teacher", f"WX-2020-000{number + 1}", "fix", 403, done="x")  # at the same instant
    whole = [(item["outcome"], item["id"]) for item in asking.get("events")["items"]]
    assert whole == [("refused", n) for n in (4, 3, 2, 1)] + [("accepted", n) for n in (3, 2, 1, 0)]
    seen: list[tuple[str, int]] = []
    following: str | None = ""
    while following is not None:
        page = asking.get("events", limit=3, **({"cursor": following} if following else {}))
        seen += [(item["outcome"], item["id"]) for item in page["items"]]
        following = page["next"]
        asking.report(title="晚来的")
    assert [each for each in seen if each in whole] == whole


def test_others_see_the_events_of_their_cases_and_their_own_refusals(asking: Asking, fixed: str) -> None:
    other = asking.report("safety_staff", department="BWC")
    asking.step("driver", other, "fix", 404, done="x")
    asking.step("repairer", fixed, "fix", 409, done="x")
    cases = {
        person: {item["case"] for item in asking.get("events", person, outcome="accepted")["items"]}
        for person in ("teacher", "hqc_head", "bwc_head", "driver", "auditor")
    }
    assert cases == {
        "teacher": {fixed}, "hqc_head": {fixed}, "bwc_head": {other}, "driver": set(), "auditor": {fixed, other},
    }  # fmt: skip
    refused = {
        person: [item["actor"] for item in asking.get("events", person, outcome="refused")["items"]]
        for person in ("teacher", "hqc_head", "driver", "auditor")
    }
    assert refused == {
        "teacher": ["person:teacher"], "hqc_head": [], "driver": ["person:driver"],
        "auditor": ["person:repairer", "person:driver", "person:teacher"],
    }  # fmt: skip
    assert asking.get("events/counts", "driver", by="outcome")["items"] == [{"of": ["refused"], "count": 1}]
    [his] = asking.get("events", "driver", outcome="refused")["items"]
    assert (his["case"], his["department"], his["workflow"]) == (other, None, None), "a 404 stays one in the trail"
    for named in ({"department": "BWC"}, {"workflow": "repair"}, {"department": "BWC", "workflow": "repair"}):
        assert asking.get("events", "driver", **named)["items"] == []
    assert asking.get("events/counts", "driver", by="department")["items"] == [{"of": [None], "count": 1}]
    assert asking.get("events/counts", "teacher", by="case")["total"] == 4


def test_events_are_counted_by_any_two_of_what_they_are_asked_by(asking: Asking, fixed: str) -> None:
    asking.later(hours=24)
    asking.report(department="BWC")

    def counted(*by: str, **asked: Any) -> dict[tuple[str | None, ...], int]:
        answer = asking.get("events/counts", by=by, **asked)
        assert answer["total"] == sum(line["count"] for line in answer["items"]) and not answer["more"]
        return {tuple(line["of"]): line["count"] for line in answer["items"]}

    assert counted("action", "outcome") == {
        ("open", "accepted"): 2, ("assign", "accepted"): 1, ("fix", "accepted"): 1, ("fix", "refused"): 1,
    }  # fmt: skip
    assert counted("day", "department") == {
        ("2020-03-02", "HQC"): 4, ("2020-03-03", "BWC"): 1,
    }  # fmt: skip
    assert counted("department", "month") == {("HQC", "2020-03"): 4, ("BWC", "2020-03"): 1}
    assert counted("type", "workflow", outcome="accepted") == {("opened", "repair"): 2, ("stepped", "repair"): 2}
    assert counted("actor") == {
        ("person:teacher",): 3, ("person:safety_staff",): 1, ("person:repairer",): 1,
    }  # fmt: skip
    assert counted("on_behalf_of", "case", person="repairer") == {(None, fixed): 1}
    first = asking.get("events/counts", by=["actor", "action"], limit=1)
    assert (first["items"], first["total"], first["more"]) == (
        [{"of": ["person:teacher", "open"], "count": 2}], 5, True,
    )  # fmt: skip


def test_a_day_is_one_by_the_wall_clock_of_the_school(asking: Asking) -> None:
    asking.later(hours=14.5)  # 23:30
    asking.report()
    asking.later(hours=1)
    asking.report()
    assert [line["of"] for line in asking.get("events/counts", by="day")["items"]] == [["2020-03-02"], ["2020-03-03"]]


# --- as it was known ---


def test_a_list_shows_cases_as_they_were_known_at_an_instant(asking: Asking, fixed: str) -> None:
    asking.later(hours=1)
    late = asking.report(found_at=at(0.5), place="B")

    def states(hours: float, **asked: Any) -> dict[str, str]:
        return {item["number"]: item["state"] for item in asking.get("cases", as_of=at(hours), **asked)["items"]}

    assert states(-1) == {}
    assert states(0) == {fixed: "reported"}
    assert states(0.99) == {fixed: "reported"}, "what was found at half past is not known yet"
    assert states(1) == {fixed: "assigned"}
    assert states(3) == {fixed: "fixed"}
    assert states(4) == {fixed: "fixed", late: "reported"}
    assert states(2, state="assigned") == {fixed: "assigned"} and states(2, state="fixed") == {}
    assert states(2, counts_as="assigned", department="HQC", assignee="repairer", category="ELEC") == {
        fixed: "assigned"
    }
    assert states(0, assignee="repairer") == {}
    [then] = asking.get("repairs", as_of=at(1))["items"]
    alone = asking.get(f"repairs/{fixed}", as_of=at(1))
    assert alone.pop("coverage") is None and alone.pop("second_looks") == []  # which are read with a case by itself
    assert then == alone | {"steps": then["steps"]}
    assert (then["revision"], then["sequence"], then["assignee"], then["facts"].get("done")) == (2, 2, "repairer", None)


def test_what_was_overdue_then_is_overdue_in_the_list_of_then(asking: Asking) -> None:
    number = asking.report()
    asking.later(days=3)
    asking.step("safety_staff", number, "assign", assignee="repairer")
    asking.later(days=1)
    for hours, overdue in ((1, False), (30, True), (80, False)):
        assert [item["overdue"] for item in asking.get("cases", as_of=at(hours))["items"]] == [overdue]
        asked = {"overdue": str(overdue).lower(), "as_of": at(hours)}
        assert len(asking.get("cases", **asked)["items"]) == 1
        figures = asking.get("cases/figures", as_of=at(hours))
        assert (figures["open"], figures["overdue"], figures["closed"]) == (1, int(overdue), 0)
    assert asking.get("cases/figures")["items"] == [{"workflow": "repair", "open": 1, "overdue": 0, "closed": 0}]


def test_words_are_looked_for_as_they_were_known(asking: Asking, fixed: str) -> None:
    for hours, found in ((1, 0), (3, 1)):
        assert len(asking.get("cases", q="换了插座", as_of=at(hours))["items"]) == found
    assert len(asking.get("cases", q="插座松动 A-101", as_of=at(0))["items"]) == 1


def test_a_list_as_of_an_instant_is_paged_like_any_other(asking: Asking) -> None:
    for hour in range(5):
        asking.report(title=f"第 {hour} 处", place=str(hour))
        asking.later(hours=1)
    first = asking.get("cases", as_of=at(3.5), limit=3)
    second = asking.get("cases", as_of=at(3.5), limit=3, cursor=first["next"])
    numbers = [item["number"] for page in (first, second) for item in page["items"]]
    assert (numbers, second["next"]) == ([f"WX-2020-000{n}" for n in (4, 3, 2, 1)], None)


def test_a_page_of_then_has_a_hundred_cases_at_most(asking: Asking) -> None:
    for number in range(101):
        asking.report(title=f"第 {number} 处", place=str(number))
    asking.later(hours=1)
    first = asking.get("cases", as_of=at(0.5), limit=200)
    second = asking.get("cases", as_of=at(0.5), limit=200, cursor=first["next"])
    assert (len(first["items"]), len(second["items"]), second["next"]) == (100, 1, None)


def test_who_asks_now_decides_what_of_then_is_shown(asking: Asking, fixed: str) -> None:
    assert asking.get("cases", "driver", as_of=at(3))["items"] == []
    asking.get(f"repairs/{fixed}", "driver", status=404, as_of=at(3))
    assert len(asking.get("cases", "repairer", as_of=at(0))["items"]) == 1, "he is part of it now"


def test_what_has_not_come_yet_or_was_not_there_is_refused_in_words(asking: Asking, fixed: str) -> None:
    for path in ("cases", "repairs", f"repairs/{fixed}", "cases/figures"):
        refused = asking.get(path, status=422, as_of=at(4))
        assert "还没有到" in refused["obstacle"], path
    refused = asking.get("cases/changes", status=422, **{"from": at(0), "to": at(9)})
    assert refused["obstacle"].startswith("to 还没有到") and refused["fields"][0]["field"] == "to"
    assert "当时还没有登记" in asking.get(f"repairs/{fixed}", status=404, as_of=at(-1))["obstacle"]
    for path, asked in (
        ("cases/changes", {"from": at(0), "to": at(9)}),
        ("cases/changes", {"from": at(1), "to": at(1)}),
        ("cases/changes", {"from": at(0), "to": at(1), "q": "x"}),
        ("cases/figures", {"q": "x"}),
        ("events", {"from": at(1), "to": at(0)}),
        ("events", {"workflow": "nothing"}),
        ("events", {"person": "a\0b"}),
        ("events", {"cursor": "nothing"}),
        ("events", {"format": "csv", "limit": 5}),
        ("events/counts", {"by": ["day", "month"]}),
        ("events/counts", {"by": ["actor", "actor"]}),
        ("events/counts", {"by": ["actor", "case", "day"]}),
        ("events/counts", {}),
    ):
        assert asking.get(path, status=422, **asked)["code"] == "invalid_input", (path, asked)


def test_what_changed_between_two_instants_is_told_with_before_and_after(asking: Asking, fixed: str) -> None:
    asking.later(hours=1)
    late = asking.report(place="B")
    asking.later(hours=48)

    def changes(since: float, until: float, **asked: Any) -> dict[str, list[str]]:
        answer = asking.get("cases/changes", **{"from": at(since), "to": at(until)}, **asked)
        return {item["number"]: item["changes"] for item in answer["items"]}

    assert changes(-1, 0) == {fixed: ["opened"]}
    assert changes(0, 1) == {fixed: ["moved"]}
    assert changes(1, 2) == {}
    assert changes(0, 5) == {fixed: ["moved"], late: ["opened"]}
    assert changes(5, 30) == {late: ["overdue"]}
    assert changes(0, 5, change="opened") == {late: ["opened"]}
    assert changes(0, 5, state="reported") == {late: ["opened"]}
    answer = asking.get("cases/changes", **{"from": at(0), "to": at(30)}, limit=1)
    assert answer["counts"] == {"opened": 1, "moved": 1, "closed": 0, "overdue": 1}
    [item] = answer["items"]
    assert (item["before"]["state"], item["after"]["state"], item["after"]["assignee"]) == (
        "reported", "fixed", "repairer",
    )  # fmt: skip
    second = asking.get("cases/changes", **{"from": at(0), "to": at(30)}, limit=1, cursor=answer["next"])
    assert [each["number"] for each in second["items"]] == [late] and second["next"] is None
    assert second["items"][0]["before"] is None and second["items"][0]["changes"] == ["opened", "overdue"]


# --- taken away ---


def logbook(asking: Asking) -> list[dict[str, Any]]:
    with asking.runtime.database.read(asking.school.organisation) as connection:
        return [dict(event.data) for event in history.events_of(connection, asking.school.organisation, LOGBOOK)]


def test_events_are_taken_away_as_csv_json_lines_or_a_workbook(asking: Asking, fixed: str) -> None:
    asked: dict[str, Any] = {"case": fixed, "outcome": "accepted"}
    listed = asking.get("events", **asked)["items"]
    text = asking.file("events", format="csv", **asked)
    assert text.content.startswith(b"\xef\xbb\xbf") and text.headers["bihuan-rows"] == "3"
    head, *rows = csv.reader(io.StringIO(text.content.decode("utf-8-sig")))
    assert head[:4] == ["时间", "结果", "序号", "事项"]
    assert [row[0] for row in rows] == [
        "2020-03-02 12:00:00+08:00", "2020-03-02 10:00:00+08:00", "2020-03-02 09:00:00+08:00",
    ]  # fmt: skip
    assert [json.loads(line) for line in asking.file("events", format="jsonl", **asked).text.splitlines()] == listed
    book = asking.file("events", format="xlsx", **asked)
    sheet = openpyxl.load_workbook(io.BytesIO(book.content), read_only=True).active
    assert sheet is not None
    assert [[cell or "" for cell in row] for row in sheet.values] == [head, *rows]


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_who_takes_a_list_away_stands_in_the_logbook_and_reading_does_not(
    form: str, asking: Asking, fixed: str
) -> None:
    asking.get("events")
    asking.get("cases", as_of=at(1))
    assert logbook(asking) == []
    asking.file("events", format=form, action="fix")
    asking.file("repairs", "hqc_head", format=form, as_of=at(1), state="assigned")
    asking.file("cases", format=form)
    assert logbook(asking) == [
        {"what": "events", "filters": {"action": "fix"}, "rows": 2},
        {
            "what": "cases", "rows": 1,
            "filters": {"workflow": "repair", "state": "assigned", "as_of": "2020-03-02T02:00:00.000000Z"},
        },
        {"what": "cases", "filters": {}, "rows": 1},
    ]  # fmt: skip
    noted = asking.get("events", type="noted")["items"]
    assert [(item["case"], item["by"], item["title"], item["told"]["what"]) for item in noted] == [
        (LOGBOOK, "安稳办主任", "导出", "cases"), (LOGBOOK, "后勤处负责人", "导出", "cases"),
        (LOGBOOK, "安稳办主任", "导出", "events"),
    ]  # fmt: skip
    assert asking.actions("hqc_head", type="noted") == [], "only who oversees sees who took what"


@pytest.mark.parametrize("path", ["events?format=csv", "cases?format=xlsx", "repairs/{fixed}/evidence"])
def test_who_asks_for_the_headers_alone_took_nothing_away(path: str, asking: Asking, fixed: str) -> None:
    there = f"/api/v1/{path.format(fixed=fixed)}"
    answer = asking.client.head(there, headers=asking.school.headers("safety_head"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert logbook(asking) == []


def test_of_workbooks_only_a_few_are_made_at_once_and_who_is_turned_away_took_nothing(
    asking: Asking, fixed: str
) -> None:
    asked = Text("导出", "Take away")
    with BOOKS.one(asked, TOO_MANY), BOOKS.one(asked, TOO_MANY):
        for path in ("events", "cases"):
            refused = asking.file(path, format="xlsx", status=503)
            assert refused.headers["Retry-After"] == "1" and "CSV" in refused.json()["obstacle"]
        assert logbook(asking) == []
        assert asking.file("events", format="csv").headers["Bihuan-Rows"] == "4"
    assert asking.file("events", format="xlsx").status_code == 200


def test_a_cell_that_looks_like_a_formula_is_none_in_the_file(asking: Asking) -> None:
    asking.report(title="=HYPERLINK(1)", place="+1")
    _, row = csv.reader(io.StringIO(asking.file("cases", format="csv").content.decode("utf-8-sig")))
    assert row[2:4] == ["'=HYPERLINK(1)", "'+1"]
    sheet = openpyxl.load_workbook(io.BytesIO(asking.file("cases", format="xlsx").content)).active
    assert sheet is not None and (sheet["C2"].value, sheet["C2"].data_type) == ("=HYPERLINK(1)", "s")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠A1"])
def test_whatever_a_spreadsheet_program_may_take_for_a_formula_is_made_harmless(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_a_long_list_is_taken_away_whole(asking: Asking, runtime: Runtime) -> None:
    actor = asking.school.actor("teacher")
    for begin in range(0, 1100, 100):
        handle(
            runtime.engine,
            [
                Asked(actor, OpenCase("repair", {**REPAIR, "place": str(n)}), "r", None)
                for n in range(begin, begin + 100)
            ],
        )
    brought_up_to_date(runtime, asking.school.organisation, seconds=None)  # for which a question waits a second at most
    for path in ("events", "cases"):
        taken = asking.file(path, format="jsonl")
        numbers = [json.loads(line).get("case" if path == "events" else "number") for line in taken.text.splitlines()]
        assert len({*numbers} - {LOGBOOK}) == 1100
        assert int(taken.headers["bihuan-rows"]) == len(numbers)
