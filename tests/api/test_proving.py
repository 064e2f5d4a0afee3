"""Taking evidence packs and event logs: over HTTP by who may see the case, on the command line by who runs the folder."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from api.app import create_app
from api.bootstrap import Runtime
from api.cli import main
from api.papers.pack import verify
from api.papers.pack.packing import verifier_hash
from engine.events import LOGBOOK
from engine.store import history
from tests.api.papers.pack.packs import a_key, a_picture, a_repair, files_of
from tests.builders import School, a_runtime, a_school
from tests.fakes import calling
from workflows import CATALOG


def noted(runtime: Runtime) -> list[tuple[str, str, str]]:
    """Who did what with which case, as the logbook has it."""
    with runtime.database.read("school") as connection:
        found = history.events_of(connection, "school", LOGBOOK)
    return [(event.actor, event.trigger, event.data.get("case", "")) for event in found]


# --- over HTTP -------------------------------------------------------------------------------------------------------------


def test_whoever_may_see_a_case_takes_its_pack_in_his_own_name(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    address = f"/api/v1/repairs/{number}/evidence"
    answer = client.get(address, headers=school.headers("safety_head"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert f'filename="{number}.zip"' in answer.headers["Content-Disposition"]
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert verify.check(verify.Pack(io.BytesIO(answer.content)), key.key).faults == []
    assert "维修人员" in files_of(answer.content)["index.html"].decode()
    assert noted(runtime) == [("person:safety_head", "proved", number)]


def test_whoever_may_not_see_names_takes_a_pack_without_them(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    answer = client.get(f"/api/v1/repairs/{number}/evidence", headers=school.headers("teacher"))
    assert answer.status_code == 200
    assert verify.check(verify.Pack(io.BytesIO(answer.content)), key.key).faults == []
    assert "维修人员" not in files_of(answer.content)["index.html"].decode()


@pytest.mark.parametrize(
    "who, address", [("driver", "{}"), ("safety_head", "WX-2020-0404"), ("safety_head", "logbook")]
)
def test_a_case_one_may_not_see_is_not_there_to_be_proved(
    who: str, address: str, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    answer = client.get(f"/api/v1/repairs/{address.format(number)}/evidence", headers=school.headers(who))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_case")
    assert noted(runtime) == []


def test_without_a_key_it_says_what_to_do(client: httpx.Client, runtime: Runtime, school: School) -> None:
    number = a_repair(client, school, "插座松动", "A-101")
    answer = client.get(f"/api/v1/repairs/{number}/evidence", headers=school.headers("safety_head"))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible_now")
    assert "bihuan audit seal" in answer.json()["remedy"]


# --- on the command line ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Runtime, str]]:
    """A data folder with one case, and the case's number; one works where one may write."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    runtime = a_runtime(tmp_path / "data", "sqlite", catalog=CATALOG)  # what the command carries
    teacher = a_school(runtime.database).headers("teacher")
    with calling(create_app(runtime)) as client:
        asked = {"title": "插座松动", "place": "A-101", "photos": [a_picture(client, teacher)]}
        number = client.post("/api/v1/hazards", json=asked, headers=teacher).json()["number"]
    yield runtime, number
    runtime.close()


def bihuan(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--data", "data"])


def test_the_command_writes_a_pack_that_its_program_verifies(folder: tuple[Runtime, str], tmp_path: Path) -> None:
    runtime, number = folder
    key = a_key(runtime)
    done = bihuan("audit", "prove", number, "-o", "pack.zip")
    assert done.exit_code == 0, done.output
    assert key.key in done.stdout and verifier_hash() in done.stdout
    assert "1 条记录" in done.stdout and "1 events" in done.stdout
    assert [path.name for path in tmp_path.glob("pack*")] == ["pack.zip"]
    assert (tmp_path / "pack.zip").stat().st_mode & 0o777 == 0o600
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "verify.py").write_bytes(files_of((tmp_path / "pack.zip").read_bytes())["verify.py"])
    checked = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "--key", key.key, tmp_path / "pack.zip"],
        cwd=empty,
        env={},
        check=False,
    )
    assert checked.returncode == 0
    assert noted(runtime) == [("system", "proved", number)]


def test_the_help_tells_the_hash_of_the_program(folder: tuple[Runtime, str]) -> None:
    asked = CliRunner().invoke(main, ["audit", "prove", "--help"])
    assert asked.exit_code == 0
    assert verifier_hash() in asked.stdout


@pytest.mark.parametrize(
    "arguments, code, zh, en",
    [
        (["prove", "WX-2020-0404", "-o", "pack.zip"], 1, "没有此项", "there is no such case"),
        (["prove", "{}", "-o", "nowhere/pack.zip"], 1, "无法写入", "Cannot write"),
        (["export", "--format", "ocel", "-o", "nowhere/log.json"], 1, "无法写入", "Cannot write"),
        (["export", "--format", "csv", "-o", "log.csv"], 2, "", "ocel"),
        (["prove", "{}"], 2, "", "--output"),
    ],
    ids=["no such case", "nowhere to write", "nowhere to write a log", "no such format", "no file named"],
)
def test_what_cannot_be_taken_is_said_in_a_sentence_and_leaves_nothing(
    arguments: list[str], code: int, zh: str, en: str, folder: tuple[Runtime, str], tmp_path: Path
) -> None:
    runtime, number = folder
    a_key(runtime)
    done = bihuan("audit", *(argument.format(number) for argument in arguments))
    assert done.exit_code == code, done.output
    assert zh in done.stderr and en in done.stderr and "Traceback" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert noted(runtime) == []


def test_a_failed_pack_leaves_the_old_one_in_its_place(folder: tuple[Runtime, str], tmp_path: Path) -> None:
    _runtime, number = folder
    (tmp_path / "pack.zip").write_bytes(b"the old one")
    done = bihuan("audit", "prove", number, "-o", "pack.zip")
    assert done.exit_code == 1 and "no key to sign with" in done.stderr
    assert (tmp_path / "pack.zip").read_bytes() == b"the old one"


def test_the_command_hands_everything_over_and_notes_it(folder: tuple[Runtime, str], tmp_path: Path) -> None:
    runtime, _ = folder
    told = [
        json.loads(bihuan("audit", "export", "--format", how, "-o", f"log.{how}", "--json").stdout)
        for how in ("ocel", "jsonl")
    ]
    assert [each["events"] for each in told] == [1, 2], "the lines have the logbook's as well: that the first was taken"
    assert len((tmp_path / "log.jsonl").read_bytes().splitlines()) == 2
    assert len(json.loads((tmp_path / "log.ocel").read_bytes())["events"]) == 1
    with runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", LOGBOOK)
    assert [event.data for event in events] == [
        {"what": "events", "format": "ocel", "events": 1, "names": False},
        {"what": "events", "format": "jsonl", "events": 2, "names": False},
    ]
