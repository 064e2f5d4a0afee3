"""`bihuan check` and `GET /api/v1/check` say the same; a change of people or policy that opens a dead corner says so first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from api import directory
from api.app import create_app
from api.bootstrap import Runtime
from api.checking import DeadCorners, Kept, opened_by
from api.cli import main
from api.directory import Editor
from api.sources import DirectoryOfTheEngine
from engine.actor import Grant
from engine.directory import Absence, Department, Directory, Group, Seat
from engine.errors import Text
from engine.proof import check
from engine.store import accounts, people, policies
from tests.builders import START, a_runtime
from tests.databases import Kind
from tests.engine.proof.corners import a_question, absent, group_of, holding, one_department, with_person, write_down
from tests.fakes import calling
from workflows import CATALOG

LEAVES, RETURNS = date(2020, 3, 16), date(2020, 3, 20)
AWAY = {"first_day": "2020-03-16", "last_day": "2020-03-20"}
SCHOOL = with_person(
    holding(one_department(), xb5_teacher=(("teacher", "*"),)), "clerk", "信息员", None, ("administrator", "*")
)
NOBODY_APPROVES = (
    "汽修系：自 2020-03-16 起至 2020-03-20，没有在岗的分管安全副校长来办理“同意销号”，"
    "隐患整改（延期或暂缓的一般隐患）永远无法销号。"
)


@dataclass(frozen=True)
class Place:
    """A school in a data folder, with a token for everybody."""

    folder: Path
    runtime: Runtime
    client: httpx.Client

    def get(self, person: str, locale: str = "zh") -> httpx.Response:
        return self.client.get("/api/v1/check", headers=self.headers(person, locale))

    def send(self, method: str, path: str, **body: Any) -> httpx.Response:
        return self.client.request(method, f"/api/v1/{path}", json=body, headers=self.headers("clerk"))

    def headers(self, person: str, locale: str = "zh") -> dict[str, str]:
        return {"Authorization": f"Bearer bh_{person}", "Accept-Language": locale}

    def bihuan(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--data", str(self.folder)])

    def editor(self) -> Editor:
        check = DeadCorners(CATALOG, "school", START)
        return Editor(self.runtime.database, "school", "cli", START, check=check)

    def directory(self) -> Directory:
        with self.runtime.database.read_across() as connection:
            return people.directory(connection, "school")


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, kind: Kind
) -> Iterator[Place]:
    """The clean school, or the one a test asks for."""
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    runtime = a_runtime(tmp_path / "data", kind, catalog=CATALOG)
    if runtime.settings.database_url:
        monkeypatch.setenv("BIHUAN_DATABASE_URL", runtime.settings.database_url)  # for the commands
    school: Directory = getattr(request, "param", SCHOOL)
    with runtime.database.write_across() as connection:
        write_down(connection, school)
        for person in school.people:
            accounts.add_token(connection, "school", person, f"bh_{person}", "test", START)
    with calling(create_app(runtime)) as client:
        yield Place(tmp_path / "data", runtime, client)
    runtime.close()


def of(school: Directory) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", [school], indirect=True, ids=[""])


VICE_AWAY = absent(SCHOOL, "vice", LEAVES, RETURNS)
NO_CHAIR = group_of(SCHOOL, "staff", "xb5_head", "xb5_safety", chair=False)

# --- what is asked -------------------------------------------------------------------------------------------------------


def test_a_clean_school_is_told_so_and_exits_with_nought(place: Place) -> None:
    result = place.bihuan("check")
    assert (result.exit_code, result.stdout) == (0, "没有死角，0 条提醒 · no dead corner, 0 warnings\n")
    answer = place.get("head")
    assert (answer.status_code, answer.json()) == (200, {"clean": True, "days": 90, "findings": []})


@of(NO_CHAIR)
def test_warnings_alone_exit_with_nought(place: Place) -> None:
    result = place.bihuan("check")
    assert result.exit_code == 0
    assert result.stdout == (
        "! 验收组没有在任的组长。\n  Acceptance group has no chair.\n"
        "  → 请为验收组指定组长 / Name a chair of Acceptance group\n"
        "没有死角，1 条提醒 · no dead corner, 1 warnings\n"
    )
    assert place.get("head").json()["clean"] is True


@of(VICE_AWAY)
@pytest.mark.parametrize("option", ["--org", "--organisation"])
def test_a_dead_corner_exits_with_one(option: str, place: Place) -> None:
    result = place.bihuan("check", option, "school")
    assert result.exit_code == 1
    assert f"✗ {NOBODY_APPROVES}\n" in result.stdout
    assert "  → 2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办 / Before 2020-03-16: " in result.stdout
    assert result.stdout.endswith("2 处死角，0 条提醒 · 2 dead corners, 0 warnings\n")


@of(VICE_AWAY)
def test_a_script_gets_the_findings_in_both_languages(place: Place) -> None:
    result = place.bihuan("check", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["clean"], told["days"], told["organisation"], len(told["findings"])) == (False, 90, "school", 2)
    [finding] = [f for f in told["findings"] if f["text"]["zh"] == NOBODY_APPROVES]
    assert finding["text"]["en"].startswith("Automotive: from 2020-03-16 until 2020-03-20, nobody present is ")
    assert set(finding) == {"code", "stuck", "since", "text", "remedy", "workflow", "step", "departments"}
    assert (finding["code"], finding["stuck"], finding["since"]) == ("impasse", True, "2020-03-16")
    assert (finding["workflow"], finding["step"], finding["departments"]) == ("hazard", "approve", ["XB5"])
    zh, en = place.get("head", "zh").json()["findings"], place.get("head", "en").json()["findings"]
    assert [f["text"] for f in told["findings"]] == [
        {"zh": a["text"], "en": b["text"]} for a, b in zip(zh, en, strict=True)
    ]


@pytest.mark.parametrize(
    "person, status", [("head", 200), ("principal", 200), ("xb5_head", 200), ("clerk", 200), ("xb5_teacher", 403)]
)
def test_leaders_the_office_heads_and_administrators_may_ask(person: str, status: int, place: Place) -> None:
    answer = place.get(person)
    assert answer.status_code == status
    if status == 403:
        assert "校领导、安稳办、部门负责人和系统管理员" in answer.json()["detail"]


@of(absent(SCHOOL, "clerk", START.date(), RETURNS, "xb5_teacher"))
def test_an_administrator_s_delegate_asks_in_his_name(place: Place) -> None:
    headers = {**place.headers("xb5_teacher"), "Bihuan-On-Behalf-Of": "clerk"}
    assert place.client.get("/api/v1/check", headers=headers).status_code == 200


def test_help_names_both_spellings_and_the_exit_code() -> None:
    told = CliRunner().invoke(main, ["check", "--help"]).output
    told = " ".join(told.split())
    assert "--org, --organisation" in told and "Exit code 1 if a case could get stuck" in told


# --- before a change -----------------------------------------------------------------------------------------------------


def test_an_approver_leaves_only_with_a_delegate_or_a_confirmation(place: Place) -> None:
    refused = place.send("POST", "people/vice/absences", **AWAY)
    assert (refused.status_code, refused.json()["code"]) == (409, "opens_dead_corner")
    assert NOBODY_APPROVES in refused.json()["findings"] and place.directory().absences == ()
    with_delegate = place.send("POST", "people/vice/absences", **AWAY, delegate="head")
    assert with_delegate.status_code == 201 and place.get("head").json()["clean"] is True
    without = place.send("POST", "people/vice/absences", first_day="2020-04-06", last_day="2020-04-07", confirmed=True)
    assert without.status_code == 201
    found = place.get("head").json()["findings"]
    assert {finding["since"] for finding in found} == {"2020-04-06"}
    with place.runtime.database.read_across() as connection:
        told = people.changes(connection, "school")[-1]["about"]["opens_dead_corners"]
    assert len(told) == len(found) == 2


def test_a_change_through_the_api_is_refused_with_what_it_opens(place: Place) -> None:
    body = {"name": {"zh": "验收组", "en": "Acceptance group"}, "seats": [{"kind": "person", "holder": "staff"}]}
    refused = place.send("PUT", "people/groups/acceptance_group", **body)
    assert (refused.status_code, refused.json()["code"]) == (409, "opens_dead_corner")
    assert place.get("head").json()["clean"] is True
    assert place.send("PUT", "people/groups/acceptance_group", **body, confirmed=True).status_code == 200
    assert [f["step"] for f in place.get("head").json()["findings"] if f["stuck"]] == ["verify"]


#: the head of safety verifies as well, which a school may allow by policy; and the vice-principal, to whom an extended one
#: would go, is away
LEAN = holding(VICE_AWAY, staff=(), head=(("safety_head", "*"), ("safety_staff", "*")))


@of(LEAN)
def test_a_policy_that_opens_a_dead_corner_is_saved_only_if_meant(place: Place) -> None:
    with place.runtime.database.write_across() as connection:
        policies.set_(connection, "school", "hazard", {"verifier_may_approve": True}, "cli", START)
    before = place.bihuan("check").stdout
    change = ["workflow", "policy", "hazard", "--set", "verifier_may_approve=false"]
    refused = place.bihuan(*change)
    assert refused.exit_code == 1
    assert "唯一能办理“同意销号”的是安稳办主任，他复核过的隐患整改（一般隐患）永远无法销号" in refused.stderr
    assert "他复核过的隐患整改（一般隐患）" not in before and place.bihuan("check").stdout == before, (
        "nothing was saved"
    )
    assert place.bihuan(*change, "--yes").exit_code == 0
    assert "他复核过的隐患整改（一般隐患）" in place.bihuan("check").stdout


# --- what mends is never refused -----------------------------------------------------------------------------------------


@of(group_of(SCHOOL))
def test_a_group_that_mends_most_is_set_though_the_principal_sits_in_it(place: Place) -> None:
    """Without a group no major hazard is ever verified; with this one those stay open that the principal verified."""
    with place.runtime.database.write_across() as connection:
        people.give(connection, "school", "secretary", Grant("secretary", "*", None, LEAVES))
    seats = tuple(Seat("person", who) for who in ("principal", "staff", "xb5_head"))
    group = Group("acceptance_group", Text("验收组", "Acceptance group"), seats, 2)
    directory.set_group(place.editor(), group)
    assert place.bihuan("check").exit_code == 1, "the principal verified, and nobody else approves"


@of(VICE_AWAY)
def test_what_stays_open_refuses_nothing_else(place: Place) -> None:
    directory.grant(place.editor(), "xb5_teacher", Grant("dept_safety", "XB5"))
    directory.set_department(place.editor(), Department("school", "XB9", Text("艺术系", "Arts")))
    directory.leave(place.editor(), Absence("b" * 32, "xb5_teacher", LEAVES, RETURNS))


def test_what_takes_away_the_last_one_is_refused_though_something_is_open_already(place: Place) -> None:
    with place.runtime.database.write_across() as connection:
        people.add_absence(connection, "school", Absence("c" * 32, "vice", LEAVES, RETURNS))

    def apply(connection: Any) -> None:
        people.withdraw(connection, "school", "head", "safety_head", "*", date(2020, 3, 1))

    check = DeadCorners(CATALOG, "school", START)
    database = place.runtime.database
    said = [text.zh for text in opened_by(database.read_across, database.write_across, check, apply).values()]
    assert any("没有在岗的安稳办主任／保卫处长" in text for text in said), said


def test_a_process_remembers_what_it_found_and_not_for_ever() -> None:
    """The next change begins where the last one ended; nobody's answers are taken away while he uses them."""
    kept = Kept(most=12)
    first = kept.known()
    found = check(a_question(SCHOOL), known=first)
    assert 0 < len(first) == len(kept.known()) <= 12, "the next one has them too"
    check(a_question(LEAN), known=first)
    assert len(first) > 12 and len(kept.known()) == 0
    assert check(a_question(SCHOOL), known=first) == check(a_question(SCHOOL), known=kept.known()) == found


def test_a_school_sets_when_its_messages_go_out_within_bounds_that_make_sense(place: Place) -> None:
    shown = place.bihuan("workflow", "policy", "messages").stdout
    assert "digest_at" in shown and "每日汇总的时间" in shown
    for change, why in (
        ("window_from=22:00", "最早发送时间（window_from）应早于最晚发送时间（window_until）"),
        (
            "digest_at=06:00",
            "每日汇总的时间（digest_at）应在最早发送时间（window_from）与最晚发送时间（window_until）之间",
        ),
        ("channels=email", "channels 应为列表"),
        ("nothing=1", "nothing 不是消息规则中的一项"),
    ):
        refused = place.bihuan("workflow", "policy", "messages", "--set", change)
        assert refused.exit_code == 1 and f"消息规则不能这样设置：{why}。" in refused.stderr
    done = place.bihuan("workflow", "policy", "messages", "--set", "digest_at=08:10", "--json")
    assert json.loads(done.stdout)["set"] == {"digest_at": "08:10"}
    with place.runtime.database.read_across() as connection:
        directory_ = DirectoryOfTheEngine(place.runtime.clock, CATALOG)
        assert directory_.decided(connection, "school") == {"digest_at": "08:10"}
        assert [known.decided for known in directory_.organisations(connection)] == [{"digest_at": "08:10"}]
