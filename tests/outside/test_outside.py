"""A workflow from outside: one module that was installed beside the program, and is at once everywhere a loop of ours is."""

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import openpyxl
import pytest
from click.testing import CliRunner, Result

from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.cli import main
from api.loops import GROUP, Loops, Origin, the_loops, with_outside
from api.samples import messages
from engine.commands import Asked, FireTrigger, OpenCase
from engine.definition import Catalog, CycleRule, Form, Line, Series, Transition, Workflow, asks
from engine.errors import DefinitionGone, Locale, OutsideRefused, Text
from engine.handle import Done, handle_one
from engine.proof import check
from engine.store import accounts
from tests.api.pages import got, sign_in
from tests.api.papers.pack.packs import a_key
from tests.builders import REPAIR, REPAIRS, START, School, a_password, a_runtime, a_school
from tests.databases import Kind
from tests.engine.proof.corners import a_question, holding, one_department, with_person, write_down
from tests.fakes import calling
from workflows import CATALOG
from workflows.inspection import INSPECTION
from workflows.roles import LOOP_ROLES

INSTALLED = Path(__file__).parent / "installed"
SCHOOL = with_person(
    holding(one_department(), xb5_teacher=(("teacher", "*"),)), "clerk", "信息员", None, ("administrator", "*")
)
BUS = {"title": "刹车异响", "place": "校车 07", "department": "XB5"}
ORDER = {"parts": "刹车片一副", "ordered_on": "2020-03-02", "expected_on": "2020-03-09"}


@pytest.fixture(scope="module")
def loops() -> Iterator[Loops]:
    """What a process runs beside which the distribution is installed: its folder is where Python looks, and that is all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(INSTALLED)
        the_loops.cache_clear()
        yield the_loops()
    the_loops.cache_clear()


@pytest.fixture(scope="module")
def bus_repair(loops: Loops) -> Workflow:
    found = loops.catalog.get("bus_repair")
    assert found is not None
    return found


@dataclass(frozen=True)
class Place:
    """A school with the workflow installed, and a bus that waits for its parts. Only looked at."""

    runtime: Runtime
    client: httpx.Client
    number: str

    def get(self, path: str, who: str = "head") -> Any:
        answer = self.client.get(f"/api/v1/{path}", headers=headers(who))
        assert answer.status_code == 200, answer.text
        return answer.json()


def headers(who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer bh_{who}"}


def posted(client: httpx.Client, path: str, who: str, said: dict[str, Any], status: int = 200) -> Any:
    answer = client.post(f"/api/v1/{path}", json=said, headers=headers(who))
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def place(loops: Loops, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("outside")
    with closing(a_runtime(folder / "data", "sqlite", catalog=loops.catalog)) as runtime:
        with runtime.database.write_across() as connection:
            write_down(connection, SCHOOL)
            for person in SCHOOL.people:
                accounts.add_token(connection, "school", person, f"bh_{person}", "test", START)
        a_key(runtime)
        with calling(create_app(runtime)) as client:
            number = posted(client, "bus_repairs", "xb5_teacher", BUS, 201)["number"]
            posted(client, f"bus_repairs/{number}/assign", "staff", {"assignee": "xb5_safety"})
            posted(client, f"bus_repairs/{number}/order", "xb5_safety", ORDER)
            yield Place(runtime, client, number)


def bihuan(place: Place, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--data", str(place.runtime.folder.path)])


# --- what it is ----------------------------------------------------------------------------------------------------------


def test_it_is_one_module_of_under_eighty_lines_that_names_nothing_but_the_engine_and_our_roles(loops: Loops) -> None:
    module = INSTALLED / "school_bus_repair.py"
    assert len(module.read_text(encoding="utf-8").splitlines()) < 80
    assert [path.name for path in INSTALLED.glob("*.py")] == [module.name]
    assert loops.origins == {"bus_repair": Origin("school-bus-repair", "1.2", "bus_repair")}
    assert [loop.key for loop in loops.catalog.newest()] == [*(loop.key for loop in CATALOG.newest()), "bus_repair"]
    assert loops.catalog.overseers == CATALOG.overseers


# --- where it is at once -------------------------------------------------------------------------------------------------


def test_a_bus_waits_for_its_parts_until_they_are_expected_and_goes_its_way_to_the_road(place: Place) -> None:
    shown = place.get(f"bus_repairs/{place.number}")
    assert place.number == "XCW-2020-0001"
    assert (shown["state"], shown["counts_as"]) == ("waiting", "assigned")
    assert shown["due_at"] == "2020-03-09T15:59:59Z", "the end of the day on which the parts are expected"
    another = posted(place.client, "bus_repairs", "xb5_teacher", BUS, 201)["number"]
    at = f"bus_repairs/{another}"
    posted(place.client, f"{at}/assign", "staff", {"assignee": "xb5_safety"})
    refused = posted(place.client, f"{at}/order", "xb5_safety", {**ORDER, "expected_on": "2020-02-28"}, 409)
    assert "预计到货早于订货日期" in json.dumps(refused, ensure_ascii=False)
    posted(place.client, f"{at}/verify", "staff", {}, 409)
    posted(place.client, f"{at}/order", "xb5_safety", ORDER)
    posted(place.client, f"{at}/order", "xb5_safety", {**ORDER, "expected_on": "2020-03-12"})
    posted(place.client, f"{at}/fix", "xb5_safety", {"done": "已换刹车片"})
    posted(place.client, f"{at}/verify", "staff", {})
    posted(place.client, f"{at}/approve", "staff", {}, 403)
    assert posted(place.client, f"{at}/approve", "head", {})["state"] == "closed"
    told = [event["trigger"] for event in place.get(f"{at}/events")["items"]]
    assert told == ["open", "assign", "order", "order", "fix", "verify", "approve"]


def test_the_api_lists_it_and_describes_each_of_its_forms(place: Place) -> None:
    assert place.number in [case["number"] for case in place.get("bus_repairs?state=waiting")["items"]]
    assert place.number in [case["number"] for case in place.get("worklist", "xb5_safety")["items"]]
    assert "bus_repair" in [loop["key"] for loop in place.get("workflows")["items"]]
    assert place.get("workflows/bus_repair")["states"][2]["name"] == "waiting"
    document = place.get("openapi.json")
    paths = {path for path in document["paths"] if path.startswith("/api/v1/bus_repairs")}
    steps = {
        f"/api/v1/bus_repairs/{{number}}/{step}" for step in ("assign", "order", "fix", "verify", "return", "approve")
    }
    assert {"/api/v1/bus_repairs", "/api/v1/bus_repairs/{number}", *steps} <= paths
    assert {"ReportBus", "OrderParts"} <= document["components"]["schemas"].keys()


def test_the_command_lists_shows_and_draws_it_and_says_where_it_comes_from(loops: Loops) -> None:
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["workflow", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    [line] = [line for line in said("list").splitlines() if line.startswith("bus_repair")]
    assert line == "bus_repair  v1  XCW  校车维修 · School bus repair  ← school-bus-repair 1.2"
    assert said("list").count("←") == 1
    listed = {each["key"]: each["from"] for each in json.loads(said("list", "--json"))}
    brought = {"distribution": "school-bus-repair", "version": "1.2", "entry_point": "bus_repair"}
    assert listed["bus_repair"] == brought and listed["hazard"] is None
    assert "assigned|waiting → waiting: order 订配件" in said("show", "bus_repair")
    drawn = said("diagram", "bus_repair", "--locale", "en")
    assert "assigned --> waiting: Order parts" in drawn and "waiting --> waiting: Order parts" in drawn


def test_the_pages_open_it_take_its_steps_and_draw_it(place: Place) -> None:
    for person in ("xb5_teacher", "xb5_safety"):
        a_password(place.runtime, School("school"), person)
    with calling(create_app(place.runtime)) as teacher, calling(create_app(place.runtime)) as repairer:
        assert sign_in(teacher, "xb5_teacher").status_code == sign_in(repairer, "xb5_safety").status_code == 303
        opening = got(teacher, "/open/bus_repair")
        assert "车牌号" in opening.words
        [action] = {form["action"] for form in opening.forms if "place" in form["fields"]}
        made = teacher.post(action, data={**opening.form(action), **BUS})
        assert made.status_code == 303, made.text
        assert "刹车异响" in got(teacher, made.headers["location"].partition("?")[0]).words
        shown = got(repairer, f"/cases/{place.number}")
        assert "待配件" in shown.words and "刹车片一副" in shown.words and "预计到货" in shown.words
        asked = got(repairer, f"/cases/{place.number}/order")
        assert all(label in asked.words for label in ("所订配件", "订货日期", "预计到货"))
        [action] = {form["action"] for form in asked.forms if "expected_on" in form["fields"]}
        assert repairer.post(action, data={**asked.form(action), **ORDER}).status_code == 303
        drawing = repairer.get("/school/workflows/bus_repair")
        assert drawing.status_code == 200 and "<svg" in drawing.text and "待配件" in drawing.text
        assert "维修工作日" in drawing.text and "fix_workdays" not in drawing.text


def test_its_numbers_are_policy_as_ours_are(place: Place) -> None:
    set_ = bihuan(place, "workflow", "policy", "bus_repair", "--set", "fix_workdays=5", "--json")
    assert set_.exit_code == 0 and json.loads(set_.stdout)["set"] == {"fix_workdays": 5}
    refused = bihuan(place, "workflow", "policy", "bus_repair", "--set", "fix_workdays=31")
    assert refused.exit_code == 1 and "不能这样设置" in refused.stderr


def test_check_looks_for_its_dead_corners(place: Place, bus_repair: Workflow) -> None:
    """The school has none; it would, if nobody could be named once whoever repairs the bus has left."""
    done = bihuan(place, "check")
    assert (done.exit_code, done.stdout) == (0, "没有死角，0 条提醒 · no dead corner, 0 warnings\n")
    for_good = replace(bus_repair, transitions=step(bus_repair, source="reported"))
    found = check(replace(a_question(SCHOOL), workflows=[for_good]))
    assert {(each.workflow, each.step) for each in found} == {("bus_repair", "fix")}
    assert all("校车维修永远无法放行" in each.text.zh for each in found)


def test_the_exports_tell_of_it(place: Place, tmp_path: Path) -> None:
    for how in ("ocel", "jsonl"):
        done = bihuan(place, "audit", "export", "--format", how, "-o", tmp_path / how)
        assert done.exit_code == 0, done.output
        assert place.number in (tmp_path / how).read_text(encoding="utf-8")
    asked = place.client.get("/api/v1/events?workflow=bus_repair&format=xlsx", headers=headers("head"))
    assert asked.status_code == 200, asked.text
    [sheet] = openpyxl.load_workbook(io.BytesIO(asked.content)).worksheets
    cells = [str(cell.value) for row in sheet for cell in row]
    assert place.number in cells and "订配件" in cells
    pack = place.client.get(f"/api/v1/bus_repairs/{place.number}/evidence", headers=headers("head"))
    assert pack.status_code == 200, pack.text
    with zipfile.ZipFile(io.BytesIO(pack.content)) as files:
        assert any("刹车片一副".encode() in files.read(name) for name in files.namelist())


def test_messages_say_whose_turn_it_is_and_what_to_do(bus_repair: Workflow) -> None:
    words: dict[Locale, str] = {"zh": "校车维修", "en": "School bus repair"}
    for locale, title in words.items():
        said = list(messages([bus_repair], locale))
        assert said and any(title in each.words.subject + each.words.body for each in said)


# --- what does not fit stops the start, in words ---------------------------------------------------------------------------


class UnlabelledBus(Form):
    title: Line
    place: Line = asks("车牌号", "Number plate")


class BusOfTwoTypes(Form):
    title: Line = asks("故障", "What is wrong")
    place: Line = asks("车牌号", "Number plate")
    since: int | date = asks("何时起", "Since when")


Changed = Callable[[Workflow], Any]


def step(loop: Workflow, **changed: Any) -> tuple[Transition, ...]:
    return (replace(loop.transitions[0], **changed), *loop.transitions[1:])


def monthly(loop: Workflow) -> Workflow:
    [rule] = INSPECTION.cycles
    return replace(loop, cycles=(CycleRule(replace(rule.cycle, workflow=loop.key), rule.title_of, rule.data),))


#: what is installed instead, and what is said of it in Chinese and in English
UNFIT: dict[str, tuple[Changed, str, str]] = {
    "no workflow": (lambda _: object(), "不是流程", "is no Workflow"),
    "nothing": (lambda _: (), "不是流程", "is no Workflow"),
    "something beside a workflow": (lambda w: (w, "w"), "不是流程", "is no Workflow"),
    "twice the same version": (lambda w: (w, w), "bus_repair 第 1 版有两个", "two of bus_repair v1"),
    "the key of one of ours": (lambda w: replace(w, key="hazard", version=9), "代号 'hazard' 已由", "key 'hazard'"),
    "the key of what is no loop": (lambda w: replace(w, key="messages"), "代号 'messages' 已由", "key 'messages'"),
    "an address of ours": (lambda w: replace(w, plural="hazards"), "地址名 'hazards' 已由", "plural 'hazards'"),
    "numbers of ours": (lambda w: replace(w, prefix="YH"), "编号字头 'YH' 已由闭环自带的流程 hazard", "prefix 'YH'"),
    "a series under numbers of ours": (
        lambda w: replace(w, transitions=step(w, numbers=Series("paper", "YH"))), "编号字头 'YH' 已由", "prefix 'YH'",
    ),
    "a cycle of ours": (monthly, f"周期 '{INSPECTION.cycles[0].cycle.key}' 已由", "is taken by 'inspection' of Bihuan"),
    "a role nobody can hold": (
        lambda w: replace(w, roles={**LOOP_ROLES, "captain": Text("船长", "captain")}), "岗位 'captain'", "role 'captain'",
    ),
    "figures nobody counts": (lambda w: replace(w, transitions=step(w, figures="fuel")), "统计 'fuel'", "figures 'fuel'"),
    "a title in one language": (lambda w: replace(w, title=Text("校车", " ")), "标题须有中英文", "in Chinese and in English"),
    "a step in one language": (
        lambda w: replace(w, transitions=step(w, title=Text("", "Assign"))), "步骤 assign须有", "step 'assign'",
    ),
    "a field without a name": (lambda w: replace(w, opens_with=UnlabelledBus), "字段 title 须用 asks", "field 'title'"),
    "a field no page can ask": (lambda w: replace(w, opens_with=BusOfTwoTypes), "字段 since 有几种", "several types"),
}  # fmt: skip


def installed(folder: Path, name: str, value: str) -> list[EntryPoint]:
    """What a distribution of this name that lies in the folder names under our group."""
    info = folder / f"{name}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nloop = {value}\n")
    return [point for made in distributions(path=[str(folder)]) for point in made.entry_points]


@pytest.mark.parametrize("what", UNFIT)
def test_what_does_not_fit_is_refused_with_its_distribution_what_is_wrong_and_what_to_do(
    what: str, bus_repair: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, zh, en = UNFIT[what]
    module = ModuleType("tried")
    module.LOOP = changed(bus_repair)  # type: ignore[attr-defined]  # a module made up for this test
    monkeypatch.setitem(sys.modules, "tried", module)
    with pytest.raises(OutsideRefused) as refused:
        with_outside(CATALOG, installed(tmp_path, "tried-loop", "tried:LOOP"))
    said = refused.value.text
    assert zh in said.zh and en in said.en
    assert "tried-loop 0.1" in said.zh and "tried-loop 0.1" in said.en and "loop = tried:LOOP" in said.en
    assert "卸载 tried-loop" in said.zh and "uninstall tried-loop" in said.en


#: the text of a module, and what is said of it
BROKEN = {
    "import nothing_of_this_name": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
    "raise SystemExit(3)": "SystemExit: 3",
    "LOOPS = 1": "AttributeError",
    "from dataclasses import replace\nfrom school_bus_repair import BUS_REPAIR\nLOOP = replace(BUS_REPAIR, prefix='校车')": (
        "WorkflowError: workflow 'bus_repair': prefix '校车' is none"
    ),
    "from dataclasses import replace\nfrom school_bus_repair import BUS_REPAIR\n"
    "LOOP = replace(BUS_REPAIR, transitions=BUS_REPAIR.transitions[:-1])": "WorkflowError: workflow 'bus_repair': ",
}


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_what_cannot_be_loaded_ends_every_command_with_one_sentence_and_no_traceback(
    text: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_loop.py").write_text(text, encoding="utf-8")
    installed(tmp_path, "broken", "broken_loop:LOOP")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_loop", raising=False)
    the_loops.cache_clear()  # and what cannot be loaded is not remembered
    for command in (["workflow", "list"], ["check", "--data", str(place.runtime.folder.path)]):
        done = CliRunner().invoke(main, command)
        assert (done.exit_code, done.stdout) == (1, "")
        [line] = done.stderr.strip().splitlines()
        assert "发行包 broken 0.1" in line and "the distribution broken 0.1" in line and BROKEN[text] in line


def test_two_distributions_cannot_bring_the_same_loop(bus_repair: Workflow, tmp_path: Path) -> None:
    ours = INSTALLED / "school_bus_repair-1.2.dist-info"
    assert ours.is_dir()
    points = [
        *installed(tmp_path / "a", "first", "school_bus_repair:BUS_REPAIR"),
        *installed(tmp_path / "b", "second", "school_bus_repair:BUS_REPAIR"),
    ]
    with pytest.raises(OutsideRefused, match=r"distribution second 0\.1"):
        with_outside(CATALOG, points)


def test_a_distribution_may_bring_all_versions_of_a_loop(
    bus_repair: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("tried")
    module.LOOP = (bus_repair, replace(bus_repair, version=2))  # type: ignore[attr-defined]  # as above
    monkeypatch.setitem(sys.modules, "tried", module)
    made = with_outside(CATALOG, installed(tmp_path, "tried-loop", "tried:LOOP"))
    newest, oldest = made.catalog.get("bus_repair"), made.catalog.get("bus_repair", 1)
    assert newest is not None and newest.version == 2 and oldest is bus_repair


# --- what is installed no more -----------------------------------------------------------------------------------------------


def test_no_process_starts_without_the_definition_of_a_case_on_record_be_it_closed(tmp_path: Path, kind: Kind) -> None:
    with closing(a_runtime(tmp_path / "data", kind, catalog=REPAIRS)) as runtime:
        school = a_school(runtime.database)
        done = handle_one(
            runtime.engine, Asked(school.actor("teacher"), OpenCase("repair", {"title": "灯", "place": "A"}))
        )
        assert isinstance(done, Done)
        number = done.case.number
        for trigger, data, who in (
            ("assign", {"assignee": "repairer"}, "safety_staff"), ("fix", {"done": "已换"}, "repairer"),
            ("verify", {}, "safety_staff"), ("close", {}, "safety_head"),
        ):  # fmt: skip
            done = handle_one(runtime.engine, Asked(school.actor(who), FireTrigger(number, trigger, data)))
            assert isinstance(done, Done)
        assert done.case.final
        settings = runtime.settings
    newer = replace(REPAIR, version=2)
    for catalog in (CATALOG, Catalog([newer])):
        with pytest.raises(DefinitionGone, match="repair v1") as gone:
            open_runtime(settings, catalog=catalog)
        assert "重新安装该发行包" in str(gone.value) and "distribution from outside" in str(gone.value)
    open_runtime(settings, catalog=Catalog([REPAIR, newer])).close()
