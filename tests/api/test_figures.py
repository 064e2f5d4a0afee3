"""Figures of filings: what they count, that each number is the number of its list, and that they stay what they were."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.cli import main
from api.demo.campaign import ORGANISATION
from api.figures import FIGURES, NAMED, by_department, differing, figures_of, filter_of, query_of
from api.publishing import published
from api.settings import Settings
from engine.actor import Visibility
from engine.case import Case, fold
from engine.errors import Refusal
from engine.events import Event
from engine.store import accounts, history, known, worklists
from engine.store.database import Database
from engine.store.worklists import Filter
from tests.api.pages import Page, sign_in
from tests.api.test_overview import Links, Lists, main_words
from tests.builders import PASSWORD, a_password, quick_hashing
from tests.builders import School as Names
from tests.conftest import Played
from tests.fakes import calling
from tests.workflows.school import School, a_school
from workflows import CATALOG, stage_summary, weekly
from workflows.filing import counts_of
from workflows.spot_check import POPULATION

# --- a winter ------------------------------------------------------------------------------------------------------------

EVERYTHING = Visibility(ORGANISATION, everything=True)


@pytest.fixture(scope="module")
def winter(campaign: Played, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = campaign.copied_to(tmp_path_factory.mktemp("figures") / "data")
    runtime = open_runtime(Settings(_env_file=None, data=folder), hashing=quick_hashing())
    demo = Names(ORGANISATION)
    with runtime.database.write(ORGANISATION) as connection:
        for person in ("principal", "xb1.staff"):
            accounts.add_token(connection, ORGANISATION, person, demo.token(person), "test", runtime.clock.now())
    yield runtime
    runtime.close()


@pytest.fixture
def asking(winter: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(winter)) as client:
        client.headers["Authorization"] = f"Bearer {Names(ORGANISATION).token('principal')}"
        yield client


def filings(winter: Runtime) -> list[Case]:
    """Every weekly table that was compiled, and its corrections."""
    with winter.database.read(ORGANISATION) as connection:
        found = worklists.all_cases(connection, EVERYTHING, Filter(workflow="weekly"), winter.clock.now())
    return [case for case in found if "figures" in case.facts]


def histories(winter: Runtime, workflow: str) -> list[list[Event]]:
    with winter.database.read(ORGANISATION) as connection:
        found = worklists.all_cases(connection, EVERYTHING, Filter(workflow=workflow), winter.clock.now())
        return [history.events_of(connection, ORGANISATION, case.number) for case in found]


def as_known(events: list[Event], at: datetime) -> Case | None:
    until = [event for event in events if event.recorded_at <= at]
    return fold([event.changes for event in until], last_hash=until[-1].hash) if until else None


def stepped(events: list[Event], trigger: str, since: datetime, before: datetime) -> bool:
    return any(event.trigger == trigger and since <= event.recorded_at < before for event in events)


def counted_from_events(winter: Runtime, case: Case, recorded: dict[str, list[list[Event]]]) -> Counter[str]:
    """The table's numbers in another way: every case folded from its events until the week was over."""
    since, before = (datetime.fromisoformat(case.facts[name]) for name in ("covers_from", "covers_before"))
    at = before - timedelta(microseconds=1)
    told: Counter[str] = Counter()
    for events in recorded["hazard"]:
        hazard = as_known(events, at)
        if hazard is None:
            continue
        counts = hazard.state not in ("rejected", "merged")
        told["open_at_end"] += not hazard.final
        told["overdue_at_end"] += hazard.overdue(at)
        told["closed"] += counts and hazard.closed_at is not None and since <= hazard.closed_at < before
        if counts and since <= hazard.opened_at < before:
            told["found"] += 1
            told["removed" if hazard.final else "left"] += 1
            told["major"] += hazard.level == "major"
            top = hazard.category.partition(".")[0].lower()
            named = top in ("fire", "bldg", "food", "labt", "bus", "gate")
            told[f"of_{top}" if named else "of_others"] += 1
    told["rounds"] += sum(stepped(events, "submit", since, before) for events in recorded["inspection"])
    told["meetings"] += sum(stepped(events, "minute", since, before) for events in recorded["notice"])
    told["drills"] += sum(stepped(events, "hold", since, before) for events in recorded["drill"])
    return +told


def test_every_table_of_the_winter_says_what_its_events_say(winter: Runtime) -> None:
    recorded = {name: histories(winter, name) for name in ("hazard", "inspection", "drill", "notice")}
    found = filings(winter)
    assert len(found) == 15, "fourteen that were handed in, one of them twice"
    seen: Counter[str] = Counter()
    for case in found:
        told = {key: number["count"] for key, number in case.facts["figures"]["numbers"].items()}
        assert +Counter(told) == counted_from_events(winter, case, recorded), case.title
        seen += Counter(told)
    assert set(seen) >= {number.key for number in weekly.FIGURES.numbers} - {"of_gate", "of_bus"}, (
        "a winter has of each"
    )


def test_every_table_counted_again_at_the_end_is_what_was_signed(asking: httpx.Client, winter: Runtime) -> None:
    for case in filings(winter):
        answer = asking.get(f"/api/v1/weeklies/{case.number}/figures?again=true").json()
        assert (answer["equal"], answer["differing"], answer["frozen"]) == (True, [], True), case.title


def test_every_number_is_the_number_of_its_list(asking: httpx.Client, winter: Runtime) -> None:
    lists = Lists(asking, {})
    some = filings(winter)[::5]
    for case in some:
        told = asking.get(f"/api/v1/weeklies/{case.number}/figures").json()["snapshot"]
        assert len(told["numbers"]) == len(weekly.FIGURES.numbers)
        assert {n["key"]: n["count"] for n in told["numbers"]} == {
            n["key"]: lists.count(n["cases"]) for n in told["numbers"]
        }


@pytest.mark.parametrize("loop", ["weekly", "portal", "hazard_report"])
def test_every_filing_has_a_table_with_its_numbers(asking: httpx.Client, winter: Runtime, loop: str) -> None:
    with winter.database.read(ORGANISATION) as connection:
        found = worklists.all_cases(connection, EVERYTHING, Filter(workflow=loop), winter.clock.now())
    case = max((each for each in found if "figures" in each.facts), key=lambda each: counts_of(each.facts)["found"])
    workflow = CATALOG.of(case)
    answer = asking.get(f"/api/v1/{workflow.plural}/{case.number}/table")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "private, no-store"
    with ZipFile(BytesIO(answer.content)) as book:
        sheet, words = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert case.number in words and "按时报送" in words
    told = Counter(re.findall(r"<v>(\d+)</v></c>", re.sub(r'<c [^>]*t="s"[^>]*>.*?</c>', "", sheet)))
    if loop == "portal":
        assert set(told) >= {str(n) for n in range(1, counts_of(case.facts)["found"] + 1)}, "a row a hazard"
    else:
        shown = Counter(
            str(counts_of(case.facts)[n.key])
            for n in NAMED[case.facts["figures"]["name"]].numbers
            if loop != "weekly" or n.column
        )
        assert not shown - told


def test_who_does_not_see_the_cases_is_told_nothing_of_them(asking: httpx.Client, winter: Runtime) -> None:
    [case, *_] = filings(winter)
    asking.headers["Authorization"] = f"Bearer {Names(ORGANISATION).token('xb1.staff')}"
    assert asking.get(f"/api/v1/weeklies/{case.number}/figures").status_code == 404
    assert asking.get(f"/api/v1/weeklies/{case.number}/table").status_code == 404


@pytest.fixture
def desk(winter: Runtime) -> Iterator[httpx.Client]:
    """The safety officer's browser."""
    a_password(winter, Names(ORGANISATION), "safety.staff")
    with calling(create_app(winter)) as client:
        assert sign_in(client, "safety.staff", PASSWORD).status_code == 303
        yield client


@pytest.mark.parametrize(
    "language, words",
    [("zh", ("数字", "已签字", "更正本期报送")), ("en", ("Figures", "signed", "Correct this filing"))],
)
def test_the_page_of_a_filing_leads_to_what_is_behind_each_number(
    desk: httpx.Client, winter: Runtime, language: str, words: tuple[str, ...]
) -> None:
    case = next(case for case in filings(winter) if not case.links)
    text = desk.get(f"/cases/{case.number}", headers={"Accept-Language": language}).text
    Page(text)
    assert all(word in main_words(text) for word in words)
    links = dict(Links(text).found)
    for number in case.facts["figures"]["numbers"].values():
        address = f"/cases?{query_of(number['cases'], case.facts['figures']['as_of'])}"
        assert links.get(address, "0") == str(number["count"])
    assert f"/api/v1/weeklies/{case.number}/table" in links


def test_a_correction_begins_on_the_page_of_the_newest_version_and_asks_for_its_reason(
    desk: httpx.Client, winter: Runtime
) -> None:
    found = filings(winter)
    [first] = [case for case in found if any(link.kind == "corrected_by" for link in case.links)]
    assert "更正本期报送" not in main_words(desk.get(f"/cases/{first.number}").text), "it has a later version already"
    newest = next(case for case in found if not case.links)
    [begin] = [
        href for href, _ in Links(desk.get(f"/cases/{newest.number}").text).found if href.startswith("/open/weekly")
    ]
    form = desk.get(begin).text
    assert f'value="{newest.number}"' in form and 'name="reason"' in form
    assert 'name="plan_name"' in desk.get("/open/drill").text, "any loop's form is drawn"


# --- a bulletin ---------------------------------------------------------------------------------------------------------


def the_bulletin(winter: Runtime) -> Case:
    with winter.database.read(ORGANISATION) as connection:
        [case] = worklists.all_cases(connection, EVERYTHING, Filter(workflow="bulletin"), winter.clock.now())
    return case


def test_each_number_of_each_department_leads_to_exactly_its_cases(asking: httpx.Client, winter: Runtime) -> None:
    told = asking.get(f"/api/v1/bulletins/{the_bulletin(winter).number}/figures").json()["snapshot"]
    numbers = [(each["department"], n) for each in told["departments"] for n in each["numbers"] if n["count"]]
    assert len(numbers) > 30
    for department, number in numbers:
        listed = asking.get(f"/api/v1/cases?{number['cases']}&limit=200").json()["items"]
        assert len(listed) == number["count"], (department, number["key"])
    whole = {number["key"]: number["count"] for number in told["numbers"]}
    for key in ("found", "closed", "open_at_end", "overdue_at_end"):
        of_each = [n["count"] for each in told["departments"] for n in each["numbers"] if n["key"] == key]
        assert sum(of_each) == whole[key], key


@pytest.mark.parametrize(
    "language, words",
    [
        ("zh", ("各部门", "月报未报", "公示的隐患", "登记下一期通报")),
        ("en", ("By department", "monthly reports missing", "Hazards published", "Open the next bulletin")),
    ],
)
def test_the_page_of_a_bulletin_leads_on_for_the_office_and_shows_the_table_alone_to_the_staff(
    desk: httpx.Client, winter: Runtime, language: str, words: tuple[str, ...]
) -> None:
    case, said = the_bulletin(winter), {"Accept-Language": language}
    text = desk.get(f"/cases/{case.number}", headers=said).text
    Page(text)
    assert all(word in main_words(text) for word in words)
    [of_departments] = re.findall(r'<div class="([^"]+)">\s*<h2 id="figures-departments">', text)
    assert "across" in of_departments.split(), "eight columns have no room in half of a desk's width"
    links = dict(Links(text).found)
    counted = [n for numbers in by_department(case.facts["figures"]).values() for n in numbers.values() if n.count]
    for number in counted:
        assert links[f"/cases?{query_of(number.cases, case.facts['figures']['as_of'])}"] == str(number.count)
    folded = [int(n) for n in re.findall(r'<details class="unfolds"><summary>[^<]+<span class="tag">(\d+)<', text)]
    with winter.database.read(case.organisation) as connection:
        assert len(folded) > 1 and sum(folded) == len(published(connection, case).cases)  # every one under a department
    [next_one] = [href for href in links if href.startswith("/open/bulletin")]
    assert f'value="{case.number}"' in desk.get(next_one).text

    a_password(winter, Names(ORGANISATION), "hqc.repair1")
    desk.cookies.clear()
    assert sign_in(desk, "hqc.repair1", PASSWORD).status_code == 303
    read = desk.get(f"/cases/{case.number}", headers=said).text
    assert words[2] in main_words(read) and not [href for href, _ in Links(read).found if "as_of" in href]
    with winter.database.read(ORGANISATION) as connection:
        shown = published(connection, case).cases
    assert len(shown) > 60 and all(f"<code>{each.number}</code>" in read for each in shown)
    assert not [each.title for each in shown if each.title in read]
    assert words[3] not in main_words(read)


def test_a_longer_table_begins_with_what_is_overdue_and_says_how_many_it_leaves_out(
    winter: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = the_bulletin(winter)
    with winter.database.read(ORGANISATION) as connection:
        whole = published(connection, case)
        monkeypatch.setattr("api.publishing.MOST", 3)
        short = published(connection, case)
    numbers = case.facts["figures"]["numbers"]
    assert whole.left_out == 0 and len(whole.cases) == numbers["published_open"]["count"] + numbers["closed"]["count"]
    assert short.cases == whole.cases[:3] and short.left_out == len(whole.cases) - 3
    assert [each.overdue(short.as_of) for each in short.cases] == [True, True, False]


def test_the_command_counts_everything_that_was_signed_again(
    campaign_database: Database, campaign: Played, tmp_path: Path
) -> None:
    folder = str(tmp_path / "campaign")
    told = CliRunner().invoke(main, ["audit", "figures", "--json", "--data", folder])
    assert told.exit_code == 0, told.output
    signed = campaign.counted["figures"]["filings"]
    expected = (
        sum(signed[name]["submitted"] for name in ("weekly", "portal", "hazard_reports"))
        + signed["weekly"]["corrected"]
        + campaign.counted["figures"]["bulletins_read_out"]
    )
    assert json.loads(told.output) == {"organisation": ORGANISATION, "counted": expected, "differing": []}
    with campaign_database.write_across() as connection:  # somebody signed another number, or altered it since
        connection.exec_driver_sql(
            "UPDATE case_record SET body = json_set(body, '$.facts.figures.numbers.found.count', 99) WHERE number = 'ZB-2020-0001'"
        )
    told = CliRunner().invoke(main, ["audit", "figures", "ZB-2020-0001", "--data", folder])
    assert told.exit_code == 1 and "found" in told.output
    assert CliRunner().invoke(main, ["audit", "figures", "YH-2020-0001", "--data", folder]).exit_code != 0


def test_the_reports_of_the_departments_add_up(winter: Runtime) -> None:
    """Counted department by department, and all at once."""
    with winter.database.read(ORGANISATION) as connection:
        found = worklists.all_cases(connection, EVERYTHING, Filter(workflow="hazard_report"), winter.clock.now())
        reports = [case for case in found if case.facts["period"] == "2019-12" and "figures" in case.facts]
        at = datetime.fromisoformat(reports[0].facts["figures"]["as_of"])
        open_then = known.page(connection, EVERYTHING, Filter(workflow="hazard", open=True), at, limit=1_000).cases
    told = Counter({case.department: case.facts["figures"]["numbers"]["open_at_end"]["count"] for case in reports})
    owing = {case.department for case in reports}
    assert len(owing) == 20 and +told == Counter(case.department for case in open_then if case.department in owing)
    assert +told


def test_what_is_in_the_book_and_not_in_the_platform_is_a_list(asking: httpx.Client, winter: Runtime) -> None:
    """Two hazards of February got no number there, and March was not filed yet."""
    with winter.database.read(ORGANISATION) as connection:
        found = worklists.all_cases(connection, EVERYTHING, Filter(workflow="portal"), winter.clock.now())
    assert [case.state for case in found] == ["receipted", "receipted", "submitted"]
    lists = Lists(asking, {})
    for case, missing in zip(found, (0, 0, 2), strict=True):
        told = asking.get(f"/api/v1/portals/{case.number}/figures").json()
        assert lists.count(told["not_filed"]) == missing
        counts = {number["key"]: number["count"] for number in told["snapshot"]["numbers"]}
        assert len(told["receipts"]) == counts["found"] - missing > 0
        assert {n["key"]: lists.count(n["cases"]) for n in told["snapshot"]["numbers"]} == counts


def test_the_demo_counts_its_filings(campaign: Played) -> None:
    told = campaign.counted["figures"]["filings"]
    assert told["weekly"] == {"due": 15, "submitted": 14, "late": 2, "missing": 1, "zero": 0, "corrected": 1}
    assert told["daily"] == {"due": 408, "submitted": 405, "late": 5, "missing": 3, "zero": 402, "corrected": 0}
    assert told["portal"] == {"due": 3, "submitted": 3, "late": 0, "missing": 0, "zero": 0, "corrected": 0}
    assert told["hazard_reports"] == {"due": 60, "submitted": 57, "late": 6, "missing": 3, "zero": 16, "corrected": 0}


# --- whatever happens later ----------------------------------------------------------------------------------------------

STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "assign": ("officer", {}),
    "fix": ("alice", {}),
    "verify": ("officer", {}),
    "approve": ("head_of_office", {}),
    "return": ("officer", {"reason": "仍未改好", "time_limit": "days3"}),
    "send_back": ("vice", {"reason": "证据不足"}),
    "reject": ("officer", {"reason": "不属于隐患"}),
    "retriage": ("vice", {}),
}
Act = tuple[str, int, int]
ACTS = st.lists(
    st.tuples(st.sampled_from(["report", "report", *STEPS]), st.integers(0, 5), st.integers(0, 40)),
    min_size=4,
    max_size=14,
)


def act(school: School, hazards: list[Case], how: str, which: int) -> None:
    """What people do, as far as it can be done: what is refused changes nothing."""
    try:
        if how == "report" or not hazards:
            # the same three places again and again: what was closed comes back
            hazards.append(school.hazard(place=f"{which % 3} 号楼", category="ELEC.wire"))
            return
        case = school.case(hazards[which % len(hazards)].number)
        if how == "assign":
            school.assign(case)
        elif how == "fix":
            school.fix(case)
        elif how == "verify":
            school.verify(case)
        elif how == "approve":
            school.approve(case)
        else:
            who, said = STEPS[how]
            school.step(who, case, how, **said)
    except Refusal:
        return


@settings(max_examples=8, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(within=ACTS, later=ACTS)
def test_whatever_is_done_later_a_signed_week_counts_the_same(within: list[Act], later: list[Act]) -> None:
    with TemporaryDirectory() as folder, a_school(Path(folder), "sqlite") as school:
        school.owes(weekly.CYCLE, "DZB", first_day=date(2020, 1, 6), last_day=date(2020, 1, 12))
        school.tick()
        [period] = school.ledger(weekly.CYCLE)
        hazards: list[Case] = []
        for how, which, _ in within:
            act(school, hazards, how, which)
        school.at("2020-01-13 09:00")
        case = school.case(period.number)
        case = school.step("officer", case, "compile", participants=3, reasons="等配件")
        act(school, hazards, *later[0][:2])  # between compiling and signing, too
        case = school.step("head_of_office", case, "sign", opinion="情况属实")
        signed = case.facts["figures"]
        for how, which, hours in later:
            school.clock.advance_to(school.clock.now() + timedelta(hours=hours))
            act(school, hazards, how, which)
        again = FIGURES[signed["name"]](school.engine.database, school.case(case.number), school.clock.now())
        assert again == signed and differing(signed, again) == []


# --- names ---------------------------------------------------------------------------------------------------------------


def test_whatever_a_step_takes_is_counted() -> None:
    assert CATALOG.figures == FIGURES.keys()
    carried = {figures_of(loop) for loop in CATALOG.newest()} - {None}
    kept = {*NAMED, stage_summary.FIGURES}
    assert carried <= kept == FIGURES.keys() - {POPULATION}, "a draw carries a list, and is no filing"


@pytest.mark.parametrize("name", NAMED)
def test_every_number_asks_what_lists_can_be_asked(name: str) -> None:
    for number in NAMED[name].numbers:
        instant = "2020-01-06T00:00:00.000000Z"
        filter_of({key: instant if value in ("{from}", "{before}") else value for key, value in number.asks.items()})
    keys = [number.key for number in NAMED[name].numbers]
    assert len(set(keys)) == len(keys) and NAMED[name].found in keys


def test_differing_numbers_are_named() -> None:
    one = {"numbers": {"a": {"count": 1}, "b": {"count": 2}}}
    other = {"numbers": {"a": {"count": 1}, "b": {"count": 3}, "c": {"count": 0}}}
    assert differing(one, one) == [] and differing(one, other) == ["b", "c"]
