"""An older ledger taken over: whole, once, by the way of every command; and the books of its years, exported as it came."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from openpyxl.worksheet.worksheet import Worksheet

from api.cli import main
from api.folder import Folder
from api.papers.ledger import write_ledger
from api.papers.ledger_entries import Entry, understand
from api.papers.ledger_list import read_ledger
from api.taking_over import Plan, TakenOver, around, carry_out, plan, whoever
from engine.actor import Visibility
from engine.case import Case
from engine.errors import FolderError
from engine.events import LOGBOOK
from engine.sealing import number
from engine.store import books, history, known, worklists
from engine.store.worklists import Filter
from tests.api.pages import got, sign_in
from tests.api.papers.test_ledger_list import ledger
from tests.api.papers.untidy import an_untidy_ledger
from tests.browser.desk import Desk
from tests.databases import Kind
from tests.journeys.campus import SCHOOL, a_campus
from tests.workflows.school import FOUNDED, MONDAY, ORGANISATION, SHANGHAI, School, a_school, local
from workflows import weekly

TODAY = date(2020, 1, 6)
EVERYTHING = Visibility(ORGANISATION, everything=True)
HEADINGS = ("编号", "检查日期", "部位", "隐患描述", "状态", "完成日期")


@pytest.fixture
def school(tmp_path: Path, kind: Kind) -> Iterator[School]:
    with a_school(tmp_path, kind) as school:
        yield school


def planned(school: School, path: Path) -> Plan:
    with school.engine.database.read(ORGANISATION) as connection:
        return plan(connection, ORGANISATION, read_ledger(path), TODAY)


def taken(school: School, path: Path, who: str = "officer") -> TakenOver:
    return carry_out(school.engine, school.actor(who), planned(school, path), SHANGHAI, {"file": path.name})


def book(school: School, year: int | None, **asked: Any) -> list[Case]:
    number(school.engine.database, ORGANISATION)
    now = school.clock.now()
    wanted = Filter(book=year, **asked)
    with school.engine.database.read(ORGANISATION) as connection:
        found = worklists.page(connection, EVERYTHING, wanted, now, limit=200).cases
        numbers = [case.number for case in found]
        assert sorted(numbers) == [c.number for c in worklists.all_cases(connection, EVERYTHING, wanted, now)]
        assert len(numbers) == worklists.count(connection, EVERYTHING, wanted, now)
        # as of now it is the same as now
        assert numbers == [c.number for c in known.page(connection, EVERYTHING, wanted, now, limit=200).cases]
        assert len(numbers) == known.count(connection, EVERYTHING, wanted, now)
    return found


def exported(school: School, path: Path, year: int | None = None) -> Path:
    number(school.engine.database, ORGANISATION)
    file = BytesIO()
    with school.engine.database.read(ORGANISATION) as connection:
        write_ledger(connection, school.engine.catalog, ORGANISATION, school.clock.now(), file, year=year)
    path.write_bytes(file.getvalue())
    return path


def told(entries: Sequence[Entry]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (e.place, e.title, e.found_on, e.closed, e.closed_on, e.department, e.category, e.level) for e in entries
    )


def test_a_ledger_is_taken_over_whole_and_once_and_exported_as_it_came(school: School, tmp_path: Path) -> None:
    made = an_untidy_ledger(tmp_path / "untidy.xlsx", 7, 60, TODAY)
    done = taken(school, made.path)
    assert not done.refused and len(done.numbers) == len(set(done.numbers)) == len(made.truths)
    cases = [school.case(number) for number in done.numbers]
    assert Counter((c.place, c.facts["imported"]["closed"]) for c in cases) == Counter(
        (t.place, t.closed) for t in made.truths
    )
    for case in cases:
        said = case.facts["imported"]
        assert (case.workflow, case.state) == (("record", "entered") if said["closed"] else ("hazard", "reported"))
        assert case.opened_at == school.clock.now() and case.reporter == "officer" and said["written"]
        [opened] = school.events(case)
        day = said["found_on"]
        claimed = None if day is None else datetime.fromisoformat(day).replace(tzinfo=SHANGHAI).astimezone(UTC)
        assert opened.found_at == claimed and opened.recorded_at == school.clock.now()

    again = planned(school, made.path)
    assert not again.new and not again.changed and not again.doubts and len(again.known) == len(cases)
    assert not taken(school, made.path).numbers

    before = planned(school, made.path).understood.entries
    with school.engine.database.read(ORGANISATION) as connection:
        after = understand(
            read_ledger(exported(school, tmp_path / "out.xlsx")), around(connection, ORGANISATION, TODAY)
        )
    assert not after.ignored and told(after.entries) == told(before)
    # and what was exported from here is known again
    assert len(planned(school, tmp_path / "out.xlsx").known) == len(cases)

    [noted] = [event for event in school_log(school) if event["trigger"] == "imported"]
    assert noted["data"]["records"] + noted["data"]["hazards"] == len(cases) and noted["data"]["file"] == "untidy.xlsx"
    for year in (2018, 2019):
        listed = {case.number for case in book(school, year)}
        assert {c.number for c in cases if c.claim and (c.claim.since or "").startswith(str(year))} <= listed


def school_log(school: School) -> list[dict[str, Any]]:
    with school.engine.database.read(ORGANISATION) as connection:
        found = history.events_of(connection, ORGANISATION, LOGBOOK)
    return [{"trigger": event.trigger, "data": event.data} for event in found]


ROW = ("安字1", "2018-11-03", "教学楼", "插座破损", "未整改", None)


def one(tmp_path: Path, *row: Any) -> Path:
    return ledger(tmp_path / "a.xlsx", [row], headings=HEADINGS)


def test_what_changed_since_is_told_and_left_as_it_is(school: School, tmp_path: Path) -> None:
    [first] = taken(school, one(tmp_path, *ROW)).numbers
    fixed = planned(school, one(tmp_path, *ROW[:4], "已整改", "2018-11-09"))
    assert [number for _, number in fixed.changed] == [first] and not fixed.new
    reworded = planned(school, one(tmp_path, *ROW[:3], "插座面板破损", *ROW[4:]))
    assert [number for _, number in reworded.changed] == [first] and not reworded.new
    elsewhere = planned(school, one(tmp_path, *ROW[:2], "食堂", "地砖翘起", *ROW[4:]))
    assert len(elsewhere.new) == 1, "another file may number its rows alike"


def test_another_schools_number_at_the_same_place_is_told_and_not_taken_for_ours(
    school: School, tmp_path: Path
) -> None:
    ours = school.hazard(title="插座松动", place="教学楼")
    row = ("2018-11-03", "教学楼", "插座松动", "未整改", None)
    assert [number for _, number in planned(school, one(tmp_path, ours.number, *row)).known] == [ours.number]
    theirs = planned(school, one(tmp_path, ours.number, *row[:2], "消防通道堵塞", *row[3:]))
    assert [number for _, number in theirs.changed] == [ours.number] and not theirs.known


def test_what_was_discarded_can_be_taken_over_again(school: School, tmp_path: Path) -> None:
    path = one(tmp_path, *ROW[:4], "已整改", "2018-11-09")
    [first] = taken(school, path).numbers
    assert not taken(school, path).numbers
    school.step("officer", school.case(first), "discard", reason="导入了错误的文件")
    [second] = taken(school, path).numbers
    assert second != first and not taken(school, path).numbers
    school.step("head_of_office", school.case(second), "file")
    assert not taken(school, path).numbers


@pytest.mark.parametrize("who", ["teacher", "nobody"])
def test_only_the_safety_office_takes_a_ledger_over(who: str, school: School) -> None:
    with school.engine.database.read(ORGANISATION) as connection, pytest.raises(FolderError) as refused:
        whoever(connection, ORGANISATION, who, TODAY)
    assert "没有写入任何内容" in refused.value.text.zh and "officer" in refused.value.text.zh


# --- the books -----------------------------------------------------------------------------------------------------------


def test_closed_ones_stay_in_their_book_and_open_ones_roll_into_january(school: School, tmp_path: Path) -> None:
    rows = [
        (1, "2017-05-03", "教学楼", "甲", "已整改", "2017-06-01"),
        (2, "2017-12-20", "教学楼", "乙", "已整改", "2018-01-09"),
        (3, "2018-11-03", "教学楼", "丙", "已整改", None),
        (4, "2018-11-03", "教学楼", "丁", "未整改", None),
        (5, "11月上旬", "教学楼", "戊", "已整改", None),
    ]
    taken(school, ledger(tmp_path / "a.xlsx", rows, headings=HEADINGS, title="台账"))
    closed_in_january = school.approve(school.verify(school.fix(school.assign(school.hazard(title="己")))))
    still_open = school.hazard(title="庚")
    school.at("2021-02-01 09:00")
    of_next_year = school.hazard(title="辛")

    def titles(year: int | None, **asked: Any) -> str:
        return "".join(sorted(case.title for case in book(school, year, **asked)))

    assert titles(2017) == "".join(sorted("甲乙"))
    assert titles(2018) == "".join(sorted("乙丙丁"))
    assert titles(2019) == "丁"
    assert titles(2020) == "".join(sorted("丁戊己庚"))  # what nobody could date stands in the year it was taken over
    assert titles(2021) == "".join(sorted(["丁", still_open.title, "辛", "戊"]))  # 戊 waits to be filed
    assert titles(2020, workflow="hazard", department="HQC") == "己"
    with school.engine.database.read(ORGANISATION) as connection:
        assert list(books.years(connection, ORGANISATION)) == [2021, 2020, 2019, 2018, 2017]
        of_2021 = books.book_of(connection, ORGANISATION, 2021)
    assert of_2021 is not None
    assert of_2021.carries_over(school.case(still_open.number)) and not of_2021.carries_over(of_next_year)
    assert closed_in_january.final
    sheet = openpyxl.load_workbook(exported(school, tmp_path / "out.xlsx", 2021)).active
    assert isinstance(sheet, Worksheet)
    remarks = {row[5]: row[25] for row in sheet.iter_rows(min_row=2, values_only=True)}
    assert remarks.keys() == {"丁", "戊", "庚", "辛"}
    assert "结转" in str(remarks["丁"]) and "补录（非系统见证）；原编号 4" in str(remarks["丁"])
    assert "结转" in str(remarks["庚"]) and "结转" not in str(remarks["辛"])


#: the days of a week or of months, and what was found in them, as it is known now
FOUND: dict[tuple[str, str], str] = {
    ("2019-11-25", "2019-12-01"): "甲",  # its last day
    ("2019-12-02", "2019-12-08"): "",
    ("2019-12-30", "2020-01-05"): "乙",
    ("2020-01-06", "2020-01-12"): "丁戊",  # the week of the import: its own, and what nobody could date
    ("2019-11-01", "2020-01-31"): "丁乙戊甲",
}


def test_what_an_older_ledger_left_open_was_found_when_that_one_says(school: School, tmp_path: Path) -> None:
    rows = [
        (1, "2019-12-01", "教学楼", "甲", "未整改", None),
        (2, "2019-12-30", "教学楼", "乙", "未整改", None),
        (3, "11月上旬", "教学楼", "丁", "未整改", None),
    ]
    school.owes(weekly.CYCLE, "DZB", first_day=TODAY)
    taken(school, ledger(tmp_path / "a.xlsx", rows, headings=HEADINGS, title="台账"))
    school.hazard(title="戊")
    number(school.engine.database, ORGANISATION)
    with school.engine.database.read(ORGANISATION) as connection:
        for (first, last), titles in FOUND.items():
            wanted = Filter(
                workflow="hazard", opened_from=local(f"{first} 00:00"), claimed_on=f"{first}..{last}",
                opened_before=local(f"{last} 00:00") + timedelta(days=1),
            )  # fmt: skip
            for lists in (worklists, known):
                page = lists.page(connection, EVERYTHING, wanted, school.clock.now())
                assert "".join(sorted(case.title for case in page.cases)) == "".join(sorted(titles)), (first, last)
                assert lists.count(connection, EVERYTHING, wanted, school.clock.now()) == len(titles)

    # and in the table of the week that goes to the bureau
    school.tick()
    [owed] = school.ledger(weekly.CYCLE)
    assert owed.number is not None
    compiled = school.at("2020-01-13 09:00").step(
        "officer", school.case(owed.number), "compile", participants=3, reasons="等配件"
    )
    numbers = compiled.facts["figures"]["numbers"]
    assert (compiled.version, numbers["found"]["count"], numbers["open_at_end"]["count"]) == (2, 2, 4)


# --- the command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", "data")
    Folder(tmp_path / "data").make(simulated=True, at=local(MONDAY))
    FOUNDED.copy("sqlite", tmp_path / "data").close()
    return tmp_path / "data"


def bihuan(*arguments: str, fails: int = 0) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == fails, result.output
    return result.output if fails else result.stdout


def test_the_command_tells_every_doubt_and_writes_nothing_unless_it_is_told_to(data: Path, tmp_path: Path) -> None:
    rows = [ROW, ("安字2", "上旬", "食堂", "地砖翘起", "已整改", None), ("合计", None, None, "2 项")]
    path = str(ledger(tmp_path / "a.xlsx", rows, headings=HEADINGS))
    said = bihuan("import", "ledger", path, "--dry-run")
    assert "− “2019年”第 4 行“合计 2 项”：合计行" in said and "“2019年”第 3 行 检查日期“上旬”：有日期没有看懂" in said
    assert "将导入补录台账（非系统见证）1 项，待整改隐患 1 项" in said and "没有写入任何内容" in said
    assert "Missing option '--by'" in bihuan("import", "ledger", path, fails=2)
    assert "不是安稳办人员" in bihuan("import", "ledger", path, "--by", "teacher", fails=1)
    done = json.loads(bihuan("import", "ledger", path, "--by", "officer", "--json"))
    assert (done["written"], done["records"], done["open_hazards"], done["rows"]) == (True, 1, 1, 3)
    assert done["numbers"] == ["YH-2020-0001", "JZ-2020-0001"] and [row["row"] for row in done["ignored"]] == [4]
    assert {doubt["code"] for doubt in done["doubts"]} == {"date_unread", "closed_undated"}
    assert "此前已导入 2 项" in bihuan("import", "ledger", path, "--by", "officer")
    assert bihuan("export", "ledger", "--book", "2018", "-o", "2018.xlsx").strip() == "2018.xlsx: 1"
    assert json.loads(bihuan("audit", "verify", "--json"))["clean"], "what is beside a case is what its events tell"


# --- what the API and the pages tell -------------------------------------------------------------------------------------


def test_records_are_told_from_what_was_witnessed_and_are_no_figure_of_how_work_went(tmp_path: Path) -> None:
    with a_campus(tmp_path, "sqlite") as campus:
        path = ledger(
            tmp_path / "a.xlsx", [(1, "2018-11-03", "教学楼", "甲", "已整改", "2018-11-09"), ROW], headings=HEADINGS
        )
        today, engine = campus.today, campus.runtime.engine
        with campus.runtime.database.read(SCHOOL) as connection:
            actor, found = (
                whoever(connection, SCHOOL, "officer", today),
                plan(connection, SCHOOL, read_ledger(path), today),
            )
        record, hazard = carry_out(engine, actor, found, SHANGHAI, {}).numbers
        campus.hazard("assigned")
        overview = campus.get("head", "/api/v1/overview")
        assert (overview["open"]["count"], [line["key"] for line in overview["workflows"]]) == (2, ["hazard"])
        listed = campus.get("head", f"/api/v1/cases?{overview['open']['cases']}")["items"]
        assert len(listed) == 2 and record not in {item["number"] for item in listed}
        assert campus.get("head", "/api/v1/overview?workflow=record")["open"]["count"] == 1

        book = {item["number"]: item for item in campus.get("head", "/api/v1/cases?book=2018")["items"]}
        assert book.keys() == {record, hazard} and not any(item["carried_over"] for item in book.values())
        assert [book[number]["witnessed"] for number in (record, hazard)] == [False, True]
        carried = {
            item["number"]: item["carried_over"] for item in campus.get("head", "/api/v1/cases?book=2020")["items"]
        }
        assert carried[hazard] is True and list(carried.values()).count(False) == 1 and record not in carried
        assert campus.get("head", "/api/v1/cases?q=安字1")["items"][0]["number"] == hazard, "its old number finds it"
        taken_away = campus.client.get("/api/v1/cases?book=2020&format=csv", headers=campus.headers("head")).text
        assert taken_away.splitlines()[0].endswith("结转,补录") and f"{hazard}," in taken_away

        refused = campus.post("officer", f"/api/v1/records/{record}/file")
        assert refused.status_code == 403 and "安稳办主任" in refused.json()["detail"]
        many = campus.done(
            "head", "/api/v1/records/bulk/file", items=[{"number": record}], data={"opinion": "与纸质台账一致"}
        )
        assert many["carried_out"] == 1 and many["items"][0]["case"]["state_title"] == "补录归档"
        Desk(campus, "").let_in("head")
        assert sign_in(campus.client, "head").status_code == 303
        words = got(campus.client, f"/cases/{record}").words
        for said in ("补录台账（非系统见证）", "补录归档", "原工作表", "2019年", "原完成日期", "2018-11-09", "已整改"):
            assert said in words, said
        assert (
            "/open/drill" in got(campus.client, "/report").addresses
            and "/open/record" not in got(campus.client, "/report").addresses
        )
        got(campus.client, "/open/record", 404)  # a record is entered by the import alone
        page = got(campus.client, "/cases?book=2020")
        assert "结转" in page.words and "年度台账" in page.words


def test_every_number_of_a_book_leads_to_exactly_its_cases(tmp_path: Path) -> None:
    rows = [
        (1, "2018-11-03", "教学楼", "灭火器过期", "总务后勤处", "已整改", "2018-11-09"),
        (2, "2018-11-04", "食堂", "燃气软管老化", "机电工程系", "未整改", None),
        (3, "2018-11-05", "食堂", "某某某某", None, "否", None),
    ]
    path = ledger(
        tmp_path / "a.xlsx", rows, headings=("编号", "检查日期", "部位", "隐患描述", "责任部门", "状态", "完成日期")
    )
    with a_campus(tmp_path, "sqlite") as campus:
        assert campus.get("head", "/api/v1/cases/books")["year"] is None
        with campus.runtime.database.read(SCHOOL) as connection:
            actor = whoever(connection, SCHOOL, "officer", campus.today)
            found = plan(connection, SCHOOL, read_ledger(path), campus.today)
        carry_out(campus.runtime.engine, actor, found, SHANGHAI, {})
        campus.hazard("verified"), campus.hazard("assigned")
        Desk(campus, "").let_in("head")
        assert sign_in(campus.client, "head").status_code == 303
        for year, all_, carried in ((2018, 3, 0), (2019, 2, 2), (2020, 4, 2)):
            told = campus.get("head", f"/api/v1/cases/books?year={year}")
            assert (told["years"], told["all"]["count"], told["carried_over"]["count"]) == (
                [2020, 2019, 2018],
                all_,
                carried,
            )
            assert told["found"]["count"] == all_ - carried and told["not_witnessed"]["count"] == (
                1 if year == 2018 else 0
            )
            boxes = [box for name in ("departments", "categories", "persons") for box in told[name]]
            assert all(
                sum(box["all"]["count"] for box in told[name]) == all_
                for name in ("departments", "categories", "persons")
            )
            counts = [told[name] for name in ("all", "found", "carried_over", "open", "not_witnessed")]
            counts += [box[name] for box in boxes for name in ("all", "open")]
            for counted in counts:
                if counted["cases"] is not None:
                    listed = campus.get("head", f"/api/v1/cases?{counted['cases']}&limit=200")["items"]
                    assert len(listed) == counted["count"], counted
            page = got(campus.client, f"/cases/books?year={year}")
            assert f"年度台账 {year}" in page.words and "上年结转" in page.words
            assert any(address.startswith(f"/cases?book={year}&") for address in page.addresses)
        assert campus.client.get("/api/v1/cases/books?year=2021", headers=campus.headers("head")).status_code == 422
        for alone in (
            "carried_over=true",
            "action_from=2020-03-01T00:00:00Z",
        ):  # else it would be believed, and mean nothing
            assert campus.client.get(f"/api/v1/cases?{alone}", headers=campus.headers("head")).status_code == 422
        assert campus.get("clerk", "/api/v1/cases/books?year=2018")["all"]["count"] == 0, "of what he may see"
