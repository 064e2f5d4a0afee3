"""Labels for places: made, printed as often as one likes, revoked once and for good; no code of one lies in the database."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from api import labels
from api.bootstrap import Runtime
from api.cli import main
from api.problems import LabelKeyGone, UnknownLabel
from engine.actor import Grant
from engine.events import LOGBOOK
from engine.store import history, people
from engine.store.database import table_of
from engine.store.tables import PlaceLabelRow
from tests.api.pages import got, sign_in
from tests.builders import School, a_password, a_runtime, a_school

EAST = "教学楼三层东侧"


@pytest.fixture
def office(runtime: Runtime, school: School) -> dict[str, str]:
    return school.headers("safety_staff", Accept_Language="en")


def made(client: httpx.Client, headers: dict[str, str], place: str = EAST) -> dict[str, Any]:
    answer = client.post("/api/v1/labels", json={"place": place}, headers=headers)
    assert answer.status_code == 201, answer.text
    label: dict[str, Any] = answer.json()
    return label


def address_of(client: httpx.Client, headers: dict[str, str], label: str) -> str:
    answer = client.get(f"/api/v1/labels/{label}/print", headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["address"])


def test_a_label_is_made_listed_printed_twice_alike_and_revoked(client: httpx.Client, office: dict[str, str]) -> None:
    label = made(client, office)
    assert label["place"] == EAST and label["revoked_at"] is None and label["made_by"] == "person:safety_staff"
    address = address_of(client, office, label["id"])
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/q/[A-Za-z0-9_-]{20}", address)
    assert address_of(client, office, label["id"]) == address
    assert "address" not in client.get(f"/api/v1/labels/{label['id']}", headers=office).text
    gone = client.delete(f"/api/v1/labels/{label['id']}", headers=office).json()
    assert gone["revoked_by"] == "person:safety_staff" and gone["revoked_at"]
    assert client.delete(f"/api/v1/labels/{label['id']}", headers=office).json() == gone, "once more changes nothing"
    assert client.get(f"/api/v1/labels/{label['id']}/print", headers=office).status_code == 404
    assert client.get("/api/v1/labels?in_use=true", headers=office).json()["items"] == []
    assert [each["id"] for each in client.get("/api/v1/labels", headers=office).json()["items"]] == [label["id"]]


def test_each_change_stands_in_the_logbook(client: httpx.Client, runtime: Runtime, office: dict[str, str]) -> None:
    label = made(client, office)
    for _ in range(2):
        client.delete(f"/api/v1/labels/{label['id']}", headers=office)
    with runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", LOGBOOK)
    assert [dict(event.data) for event in events if event.trigger == "label_changed"] == [
        {"label": label["id"], "place": EAST, "what": what} for what in ("made", "revoked")
    ]


def test_a_place_has_one_label_in_use_and_another_one_after_it_was_revoked(
    client: httpx.Client, office: dict[str, str]
) -> None:
    first = made(client, office)
    twice = client.post("/api/v1/labels", json={"place": f" {EAST} "}, headers=office)
    assert twice.status_code == 422 and twice.json()["fields"][0]["field"] == "place"
    before = address_of(client, office, first["id"])
    client.delete(f"/api/v1/labels/{first['id']}", headers=office)
    second = made(client, office)
    assert address_of(client, office, second["id"]) != before


@pytest.mark.parametrize("place", ["", "   ", "一" * 61, "东门\n西门", "\u202e门东", None, 5])
def test_a_place_is_a_line_of_sixty_characters_at_most(
    client: httpx.Client, office: dict[str, str], place: Any
) -> None:
    answer = client.post("/api/v1/labels", json={"place": place}, headers=office)
    assert answer.status_code == 422 and [fault["field"] for fault in answer.json()["fields"]] == ["place"]


def test_only_the_safety_office_and_the_administrator_keep_labels(
    client: httpx.Client, runtime: Runtime, school: School, office: dict[str, str]
) -> None:
    label = made(client, office)["id"]
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "driver", Grant("administrator"))
    for person, writes, reads in (("teacher", 403, 403), ("auditor", 403, 200), ("driver", 201, 200)):
        headers = school.headers(person)
        place = {"place": f"{person}'s"}
        assert client.post("/api/v1/labels", json=place, headers=headers).status_code == writes, person
        assert client.get("/api/v1/labels", headers=headers).status_code == reads, person
        printing = client.get(f"/api/v1/labels/{label}/print", headers=headers).status_code
        assert printing == (200 if writes == 201 else 403), "whoever has the address may report"


def test_what_a_code_holds_lies_nowhere_in_the_database(
    client: httpx.Client, runtime: Runtime, office: dict[str, str]
) -> None:
    label = made(client, office)
    token = address_of(client, office, label["id"]).rpartition("/")[2]
    with runtime.database.read_across() as connection:
        [row] = connection.execute(select(table_of(PlaceLabelRow))).all()
    assert token not in str(row) and len(row.token_hash) == 64
    assert labels.scanned(runtime, token).id == label["id"]


def test_another_school_s_label_is_found_by_its_code_alone(runtime: Runtime, school: School) -> None:
    south = a_school(runtime.database, "south")
    label = labels.make(runtime, south.actor("safety_staff"), EAST)
    token = labels.printed(runtime, label).address.rpartition("/")[2]
    assert labels.scanned(runtime, token).organisation == "south"
    with runtime.database.read("school") as connection:
        assert labels.all_of(connection, "school") == []
        with pytest.raises(UnknownLabel):
            labels.find(connection, "school", label.id)


@pytest.mark.parametrize("change", ["revoked", "forged", "cut", "longer", "empty", "another's"])
def test_a_code_that_is_none_is_refused_in_the_same_words(runtime: Runtime, school: School, change: str) -> None:
    actor = school.actor("safety_staff")
    label = labels.make(runtime, actor, EAST)
    token = labels.printed(runtime, label).address.rpartition("/")[2]
    if change == "revoked":
        labels.revoke(runtime, actor, label.id)
    other = {"forged": token[:-1] + ("A" if token[-1] != "A" else "B"), "cut": token[:-1], "longer": "x" * 5000,
             "empty": "", "another's": "东门"}  # fmt: skip
    with pytest.raises(UnknownLabel) as refused:
        labels.scanned(runtime, other.get(change, token))
    with pytest.raises(UnknownLabel) as unknown:
        labels.scanned(runtime, "never made")
    assert refused.value.sentence("zh") == unknown.value.sentence("zh")
    assert runtime.strangers.counted() == {"no_label": 2}


def test_where_the_key_was_lost_labels_on_the_walls_go_on_and_are_only_not_printed_again(
    runtime: Runtime, school: School
) -> None:
    label = labels.make(runtime, school.actor("safety_staff"), EAST)
    token = labels.printed(runtime, label).address.rpartition("/")[2]
    (runtime.folder.keys / "labels").unlink()
    del runtime.labels_key  # as another process finds it
    assert labels.scanned(runtime, token).id == label.id
    with pytest.raises(LabelKeyGone, match="is not in this data folder"):
        labels.printed(runtime, label)


# --- the command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", "data")
    runtime = a_runtime(tmp_path / "data", "sqlite", simulated=False)
    a_school(runtime.database)
    runtime.close()
    return tmp_path / "data"


def label(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["label", *arguments])


def test_the_command_makes_lists_prints_and_revokes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = label("print")
    assert nothing.exit_code == 1 and "bihuan label make" in nothing.stderr
    assert label("make", EAST, "<东门> & 西门").exit_code == 0
    listed = json.loads(label("list", "--json").stdout)
    assert {each["place"] for each in listed} == {EAST, "<东门> & 西门"} and listed[0]["made_by"] == "system"
    inside = label("print")
    assert inside.exit_code == 0 and "BIHUAN_PUBLIC_URL" in inside.stderr
    monkeypatch.setenv("BIHUAN_PUBLIC_URL", "https://school.example")
    printed = label("print", "--output", "sheet.html")
    assert (printed.exit_code, printed.stderr) == (0, "")
    sheet = Path("sheet.html").read_text(encoding="utf-8")
    assert sheet.count("<svg") == 2 and "&lt;东门&gt; &amp; 西门" in sheet and "<东门>" not in sheet
    assert "@page" in sheet and "href" not in sheet, "a file brings along how it looks"
    told = json.loads(label("print", "--json").stdout)
    assert all(each["address"].startswith("https://school.example/q/") for each in told)
    [east] = [each["id"] for each in listed if each["place"] == EAST]
    assert label("revoke", east).exit_code == 0
    assert "停用 revoked" in label("list").stdout
    assert len(json.loads(label("print", "--json").stdout)) == 1
    assert label("print", east).exit_code == 1
    assert label("revoke", "nothing").exit_code == 1
    assert label("make", EAST, "一" * 61).exit_code == 1
    assert len(json.loads(label("list", "--json").stdout)) == 2, "all of them, or none"


def test_a_school_whose_loops_take_no_anonymous_reports_has_no_form_for_their_numbers(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
    a_password(runtime, school, "principal")
    sign_in(client, "principal")
    page = got(client, "/school/labels")
    assert "/school/labels/policy" not in [form["action"] for form in page.forms]
    assert client.post("/school/labels/policy", data=page.form("/sign-out")).status_code == 404
