"""`bihuan audit query`: the trail on the command line, and what of it is taken away is noted."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.bootstrap import open_runtime
from api.cli import main
from api.folder import Folder
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.events import LOGBOOK
from engine.handle import Refused, handle, settled
from engine.store import history
from tests.builders import START, School, a_database, a_school, the_settings
from workflows.reference import criteria_for

ASSIGNED = {
    "category": "ELEC.use", "criteria": {c.code: False for c in criteria_for("ELEC.use")}, "department": "HQC",
    "assignee": "repairer", "time_limit": "days3", "requirement": "换", "interim": "断电",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nobody_s_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one hazard: reported on the first day, assigned on the second, and refused to be fixed on the third."""
    Folder(tmp_path / "data").make(simulated=True, at=START)
    database = a_database(tmp_path / "data", "sqlite")
    school = a_school(database)
    database.close()
    clock = SimulatedClock(START)
    runtime = open_runtime(the_settings(tmp_path / "data"), clock=clock)

    def ask(person: str, command: OpenCase | FireTrigger) -> Any:
        [outcome] = handle(runtime.engine, [Asked(school.actor(person), command, "route", None)])
        return outcome

    case = settled(ask("teacher", OpenCase("hazard", {"title": "=插座", "place": "A"}))).case.number  # type: ignore[union-attr]
    clock.advance(timedelta(days=1))
    settled(ask("safety_staff", FireTrigger(case, "assign", ASSIGNED)))
    clock.advance(timedelta(days=1))
    assert isinstance(ask("teacher", FireTrigger(case, "fix", {"measure": "x"})), Refused)
    clock.advance(timedelta(days=9))
    runtime.remember()
    runtime.close()
    return tmp_path / "data"


def query(data: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["audit", "query", *map(str, arguments), "--data", str(data)])


def asked(data: Path, *arguments: str) -> Any:
    result = query(data, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def noted(data: Path) -> list[dict[str, Any]]:
    runtime = open_runtime(the_settings(data))
    with runtime.database.read("school") as connection:
        found = history.events_of(connection, "school", LOGBOOK)
    runtime.close()
    assert {event.actor for event in found} <= {"system"}
    return [dict(event.data) for event in found]


@pytest.mark.parametrize(
    "arguments, actions",
    [
        ([], ["fix", "assign", "open"]),
        (["--outcome", "refused"], ["fix"]),
        (["--from", "2020-03-03"], ["fix", "assign"]),
        (["--to", "2020-03-03"], ["assign", "open"]),
        (["--from", "2020-03-03", "--to", "2020-03-03"], ["assign"]),
        (["--to", "2020-03-02T09:00:00+08:00"], []),
        (["--person", "teacher"], ["fix", "open"]),
        (["--type", "stepped", "--department", "HQC"], ["assign"]),
        (["--limit", "1"], ["fix"]),
    ],
)
def test_the_trail_is_asked_by_the_same_things_as_over_http(
    arguments: list[str], actions: list[str], data: Path
) -> None:
    assert [item["action"] for item in asked(data, *arguments)["items"]] == actions
    shown = query(data, *arguments).stdout.splitlines()
    assert len([line for line in shown if line != "…"]) == len(actions)
    assert noted(data) == [], "ordinary reading is not noted"


def test_counts_are_by_any_two(data: Path) -> None:
    counted = asked(data, "--count-by", "day", "--count-by", "outcome")
    assert {tuple(line["of"]): line["count"] for line in counted["items"]} == {
        ("2020-03-02", "accepted"): 1, ("2020-03-03", "accepted"): 1, ("2020-03-04", "refused"): 1,
    }  # fmt: skip
    assert counted["total"] == 3 and "accepted" in query(data, "--count-by", "outcome").stdout


def test_cases_are_listed_as_they_were_known_at_the_end_of_a_day(data: Path) -> None:
    for day, state in (("2020-03-02", "reported"), ("2020-03-03", "assigned")):
        [item] = asked(data, "--as-of", day)["items"]
        assert item["state"] == state
    assert asked(data, "--as-of", "2020-03-01")["items"] == []
    overdue = [len(asked(data, "--as-of", day, "--overdue")["items"]) for day in ("2020-03-03", "2020-03-12")]
    assert overdue == [0, 1]
    assert "逾期 overdue" in query(data, "--as-of", "2020-03-12").stdout


@pytest.mark.parametrize("ending", ["csv", "jsonl", "xlsx"])
def test_what_is_written_to_a_file_is_noted(ending: str, data: Path, tmp_path: Path) -> None:
    for arguments, rows in ((["--outcome", "accepted"], 2), (["--as-of", "2020-03-02"], 1)):
        written = query(data, *arguments, "-o", tmp_path / f"out.{ending}")
        assert written.exit_code == 0 and written.stdout.endswith(f"out.{ending}: {rows}\n"), written.output
        assert (tmp_path / f"out.{ending}").stat().st_size > 0
        assert not list(tmp_path.glob("*.part"))
    assert noted(data) == [
        {"what": "events", "filters": {"outcome": "accepted"}, "rows": 2},
        {"what": "cases", "filters": {"as_of": "2020-03-02T15:59:59.999999Z"}, "rows": 1},
    ]


def test_lines_show_the_wall_clock_of_the_school_as_its_days_are_meant(data: Path) -> None:
    shown = query(data, "--from", "2020-03-02", "--to", "2020-03-02", "--outcome", "accepted").stdout.splitlines()
    assert shown and all(line.startswith("2020-03-02 ") and line[19:25] == "+08:00" for line in shown), shown


def test_the_ledger_and_the_list_of_people_are_noted_and_an_empty_template_is_not(data: Path, tmp_path: Path) -> None:
    for what in ("ledger", "people", "people-template"):
        ran = CliRunner().invoke(main, ["export", what, "-o", str(tmp_path / "x.xlsx"), "--data", str(data)])
        assert ran.exit_code == 0, ran.output
    assert [(line["what"], line["rows"]) for line in noted(data)] == [
        ("ledger", 1),
        ("people", len(School("s").persons)),
    ]


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (["--as-of", "2031-01-01"], 1, "has not come yet"),
        (["--as-of", "2020-03-13"], 1, "还没有过完"),
        (["--as-of", "yesterday"], 2, "neither a day"),
        (["--from", "2020-01-01T08:00"], 2, "neither a day"),
        (["--from", "2020-03-03", "--to", "2020-03-02"], 2, "earlier than --to"),
        (["--workflow", "hazrd"], 2, "has to be one of"),
        (["--overdue"], 2, "only with --as-of"),
        (["--as-of", "2020-03-02", "--person", "x"], 2, "only without --as-of"),
        (["--as-of", "2020-03-02", "--state", "fixt"], 2, "has to be one of"),
        (["--count-by", "day", "--count-by", "month"], 2, "count as one"),
        (["-o", "x.docx"], 2, ".jsonl"),
        (["-o", "nowhere/x.csv"], 1, "Cannot write"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: list[str], code: int, told: str, data: Path) -> None:
    result = query(data, *arguments)
    assert (result.exit_code, told in result.stderr) == (code, True), result.output
