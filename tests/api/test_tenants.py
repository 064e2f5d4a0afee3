"""Tenants never meet: of another organisation one sees nothing, not even that it is there; a bureau sees what it was granted."""

import importlib
import io
import pkgutil
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import Engine, event
from sqlmodel import SQLModel

import engine.store
import notifications
from api import directory, labels
from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.cli import main
from api.directory import Editor
from api.folder import Folder
from engine.actor import Actor, Grant
from engine.authority import may_see, visibility
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.directory import Absence, Group, Organisation, Person, Seat
from engine.errors import NotAllowed, Refusal, Text
from engine.handle import Done, handle_one
from engine.store import accounts, cases, people, periods
from engine.store.accounts import secret_hash
from engine.store.database import Database
from engine.store.statements import Listing, Statement
from notifications import accounts as channel_accounts
from notifications import deliveries
from notifications.accounts import SetUp
from tests.builders import START, School, a_runtime, a_school, a_session, quick_hashing, the_settings
from tests.databases import EMPTY, FILE, Kind, Template
from tests.fakes import calling
from workflows import CATALOG
from workflows.inspection import CYCLE
from workflows.roles import ADMINISTRATOR

MARK = "SOUTHMARK"  # stands in everything the south has and the north has not
DAY = START.date()


def a_picture(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(content, "PNG")
    return content.getvalue()


@dataclass(frozen=True)
class Tenants:
    """Two schools and the bureau above them, alike but for the south's marks.

    theirs   what the south has and the north has not, by the name of the path parameter it would stand in
    said     every statement SQLAlchemy has given the database so far in this test
    """

    runtime: Runtime
    app: FastAPI
    client: httpx.Client
    north: School
    south: School
    bureau: School
    theirs: dict[str, list[str]]
    said: set[str]


#: for each path parameter of any address something that nobody has: every new parameter has to be added here
NOBODYS = {
    "number": "YH-2020-0999", "sha256": "0" * 64, "person": "unheard.of", "code": "nothing", "absence": "f" * 32,
    "key": "nothing", "session": "0" * 16, "token": "bihuan_00000", "channel": "nothing", "delivery": "msg_0",
    "name": "nothing", "locale": "zh", "label": "00000000", "feed": "0" * 16, "paper": "nothing", "form": "docx",
}  # fmt: skip


@pytest.fixture
def tenants(tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenants]:
    now = SimulatedClock(START + FILLED_FOR)
    runtime = a_runtime(tmp_path / "data", kind, clock=now, catalog=CATALOG, upon=FILLED)
    if runtime.settings.database_url:
        monkeypatch.setenv("BIHUAN_DATABASE_URL", runtime.settings.database_url)  # for the commands
    beside, theirs = _beside[kind]
    for name, content in beside.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
    app = create_app(runtime)
    with calling(app) as client, _heard() as said:
        north, south, bureau = (School(key) for key in ("north", "south", "bureau"))
        yield Tenants(runtime, app, client, north, south, bureau, theirs, said)
    runtime.close()


@contextmanager
def _heard() -> Iterator[set[str]]:
    """What SQLAlchemy says to the driver meanwhile."""
    said: set[str] = set()

    def listen(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.add(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


#: by kind of database, what else came of filling it: the files of the folder, and what the south has
_beside: dict[Kind, tuple[dict[str, bytes], dict[str, list[str]]]] = {}


def _fill(database: Database) -> None:
    """Two schools and the bureau in an empty database; a day and a half goes by."""
    with TemporaryDirectory(prefix="bihuan-tenants-") as place:
        folder = Path(place)
        Folder(folder).make(simulated=True, at=START)
        if not database.on_server:
            (folder / FILE).symlink_to(database.url.removeprefix("sqlite:///"))
        settings = the_settings(folder, **({"database_url": database.url} if database.on_server else {}))
        clock, hashing = SimulatedClock(START), quick_hashing()
        with (
            closing(open_runtime(settings, clock=clock, catalog=CATALOG, hashing=hashing)) as runtime,
            calling(create_app(runtime)) as client,
        ):
            theirs = _filled(runtime, client, *_founded(database))
        assert clock.now() == START + FILLED_FOR
        files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.glob("*/**/*") if file.is_file()}
    _beside["postgresql" if database.on_server else "sqlite"] = files, theirs


FILLED_FOR = timedelta(hours=36)
FILLED = Template(_fill, upon=EMPTY)


def _founded(database: Database) -> tuple[School, School]:
    north, south, _ = (a_school(database, key) for key in ("north", "south", "bureau"))
    with database.write_across() as connection:
        connection.exec_driver_sql("UPDATE organisation SET kind = 'bureau' WHERE organisation = 'bureau'")
        connection.exec_driver_sql("UPDATE organisation SET parent = 'bureau' WHERE organisation <> 'bureau'")
        for table, column in [
            ("organisation", "name_zh"), ("organisation", "name_en"), ("department", "name_zh"),
            ("department", "name_en"), ("person", "name"), ("person", "post"),
        ]:  # fmt: skip
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = '{MARK}' WHERE organisation = 'south'")  # noqa: S608  names of our own
        for school in (north, south):
            people.give(connection, school.organisation, "principal", Grant(ADMINISTRATOR))
            periods.owe(connection, periods.Obligation(school.organisation, CYCLE, "HQC", DAY.replace(day=1)))
        people.add_person(connection, Person("south", MARK, MARK, "HQC"))
    return north, south


def _filled(runtime: Runtime, client: httpx.Client, north: School, south: School) -> dict[str, list[str]]:
    """The same day in both schools, and one hazard more in the south: what there is of everything, and whose it is."""
    numbers, pictures = [], []
    for school, shade, word, how_many in ((north, 10, "north", 1), (south, 200, MARK, 2)):
        headers = school.headers("teacher")
        sent = client.post(
            "/api/v1/files", content=a_picture(shade), headers={**headers, "Content-Type": "image/png"}
        ).json()["sha256"]
        pictures.append(sent)
        for n in range(how_many):
            body = {"title": f"{word} {n}", "place": word, "photos": [sent]}
            opened = client.post("/api/v1/hazards", json=body, headers=headers)
            assert opened.status_code == 201, opened.text
            numbers.append(opened.json()["number"])
        editor = Editor(runtime.database, school.organisation, "cli", START)
        seats = (Seat("person", "teacher"),)
        directory.set_group(editor, Group("patrol", Text(word, word), seats))
    assert numbers == ["YH-2020-0001", "YH-2020-0001", "YH-2020-0002"]
    editor = Editor(runtime.database, "south", "cli", START)
    directory.set_group(editor, Group(MARK.lower(), Text(MARK, MARK), (Seat("person", MARK),)))
    session, token = secret_hash(MARK)[:16], "bh_south_tea"
    with runtime.database.write_across() as connection:
        accounts.add_session(connection, "south", "teacher", MARK, MARK, START, START + timedelta(days=9))
    absence = Absence("a" * 32, "teacher", DAY, DAY + timedelta(days=3), MARK)
    directory.leave(editor, absence)
    runtime.tick()
    assert isinstance(runtime.clock, SimulatedClock)
    for _ in range(3):
        runtime.deliver()
        runtime.clock.advance(timedelta(hours=12))
    with runtime.database.write("south") as connection:
        south_s = SetUp("south", MARK.lower(), "email", MARK, None, {"host": MARK}, b"", True, False, False, START)
        channel_accounts.put(connection, south_s)
        delivery = deliveries.list_deliveries(connection, "south", case="YH-2020-0002")[0]
    feed = client.post("/api/v1/feeds", json={}, headers=a_session(runtime, south, "teacher")).json()["id"]
    return {
        "number": ["YH-2020-0002"], "sha256": [pictures[1]], "person": [MARK, f"{MARK}@south", "teacher@south"],
        "code": [MARK.lower()], "absence": [absence.id], "key": ["nothing"],
        "session": [session], "token": [token], "channel": [MARK.lower()], "delivery": [delivery.id],
        "feed": [feed], "label": [labels.make(runtime, south.actor("safety_staff"), MARK).id],
    }  # fmt: skip


def addresses(app: FastAPI) -> list[tuple[str, str, list[str]]]:
    """(method, path, path parameters) of everything the OpenAPI document names."""
    paths = app.openapi()[
        "paths"
    ]  # as it is answered; to read a megabyte of text again each time took longer than to ask
    return [
        (method.upper(), path, re.findall(r"{(\w+)}", path))
        for path, operations in paths.items()
        for method in operations
        if method in {"get", "post", "put", "patch", "delete"}
    ]


#: a body and a query that would be right, where without one the answer would be about the body
SENT: dict[str, tuple[str, dict[str, Any]]] = {
    "POST /api/v1/people/{person}/grants": ("", {"role": "driver"}),
    "DELETE /api/v1/people/{person}/grants": ("?role=teacher", {}),
    "POST /api/v1/people/{person}/absences": ("", {"first_day": "2020-03-04", "last_day": "2020-03-09"}),
    "PATCH /api/v1/people/{person}": ("", {"post": "x"}),
    "PATCH /api/v1/workflows/{key}/policy": ("", {"set": {"triage_hours": 25}}),
    "PUT /api/v1/people/groups/{code}": (
        "",
        {"name": {"zh": "巡查组", "en": "Patrol"}, "seats": [{"kind": "person", "holder": "teacher"}]},
    ),
    "POST /api/v1/sign-in": ("", {"account": "teacher", "password": "guess"}),
    "POST /api/v1/people/me/password": ("", {"old": "guess", "new": "a phrase of my own"}),
}
#: writes under a name of one's own choosing: there is nothing to find
MAKES = {
    "PUT /api/v1/people/groups/{code}", "PUT /api/v1/people/departments/{code}", "PUT /api/v1/channels/{channel}",
}  # fmt: skip


def asked(tenants: Tenants, person: str, method: str, path: str, filled: dict[str, str]) -> httpx.Response:
    query, body = SENT.get(f"{method} {path}", ("", {}))
    address = path.format(**filled) + query
    sent = None if method in {"GET", "DELETE"} else body
    headers = tenants.north.headers(person, Accept_Language="en")
    return tenants.client.request(method, address, json=sent, headers=headers)


@pytest.mark.parametrize("person", ["principal", "safety_head", "auditor", "hqc_head", "teacher", "driver"])
def test_what_another_school_has_looks_like_what_nobody_has(person: str, tenants: Tenants) -> None:
    looked_at = 0
    for method, path, parameters in addresses(tenants.app):
        if not parameters or f"{method} {path}" in MAKES:
            continue
        unknown = {name: NOBODYS[name] for name in parameters}
        if two := {"absence", "session", "token"} & set(parameters):  # of the two names one is of the north
            unknown["person"] = "teacher"
        to_nobody = asked(tenants, person, method, path, unknown)
        for name in parameters:
            for value in (
                tenants.theirs.get(name, []) if name != "key" else []
            ):  # texts have the names of the program's own
                if name == "person" and two:
                    continue
                to_them = asked(tenants, person, method, path, {**unknown, name: value})
                seen, other = _told(to_them, value), _told(to_nobody, unknown[name])
                assert seen == other, f"{method} {path} with {name} {value!r}"
                assert to_them.status_code in (403, 404), f"{method} {path}: {to_them.text}"
                looked_at += 1
    assert looked_at > 50
    assert not _unnamed(_judged(tenants.said))


def _told(answer: httpx.Response, name: str) -> tuple[int, str]:
    """An answer as it is whatever one asked for: the name itself is said back."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    body = {key: value for key, value in answer.json().items() if key != "instance"}
    return answer.status_code, str(body).replace(name, "…")


@pytest.mark.parametrize("person", ["principal", "safety_head", "auditor", "hqc_head", "teacher", "driver"])
def test_nothing_that_can_be_read_holds_a_word_of_another_school(person: str, tenants: Tenants) -> None:
    mine = {**{name: [value] for name, value in NOBODYS.items()}, "number": ["YH-2020-0001", "AQ-2020-0001"]}
    mine |= {"key": ["hazard"], "person": ["me", "teacher"], "code": ["patrol"]}
    read = 0
    for method, path, parameters in addresses(tenants.app):
        if method != "GET":
            continue
        for value in mine[parameters[0]] if parameters else [""]:
            answer = asked(tenants, person, "GET", path, dict.fromkeys(parameters, value))
            assert MARK not in answer.text and MARK.lower() not in answer.text, path
            assert tenants.theirs["sha256"][0] not in answer.text, path
            read += answer.status_code == 200
    assert read > 10
    assert not _unnamed(_judged(tenants.said))


def test_the_marks_are_there_to_be_found(tenants: Tenants) -> None:
    """Else the tests above would say that nothing was seen where there was nothing to see."""
    headers = tenants.south.headers("principal")
    for path in ("cases", "hazards/YH-2020-0002", "people", "people/me", "people/groups", "people/changes", "organisations",
                 "people/teacher/absences"):  # fmt: skip
        answer = tenants.client.get(f"/api/v1/{path}", headers=headers)
        assert answer.status_code == 200 and MARK in answer.text, path
    desk = tenants.client.get("/api/v1/people/me/inbox", headers=tenants.south.headers("safety_staff"))
    assert MARK in desk.text
    assert tenants.client.get("/api/v1/periods", headers=headers).json()["items"]
    assert tenants.client.get(f"/api/v1/files/{tenants.theirs['sha256'][0]}", headers=headers).status_code == 200


def test_the_same_picture_and_the_same_key_in_two_schools_are_two(tenants: Tenants) -> None:
    for school in (tenants.north, tenants.south):
        headers = school.headers("teacher", Idempotency_Key="phone-1")
        body = {"title": f"once {school.organisation}", "place": "A"}
        answer = tenants.client.post("/api/v1/hazards", json=body, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (201, body["title"])
        assert "idempotency-replayed" not in answer.headers
    headers = tenants.north.headers("teacher", Content_Type="image/png")
    sent = tenants.client.post("/api/v1/files", content=a_picture(200), headers=headers)
    assert sent.json()["sha256"] == tenants.theirs["sha256"][0], "what one sends oneself is one's own"
    read = tenants.client.get(sent.headers["location"], headers=tenants.north.headers("teacher"))
    assert read.content == a_picture(200)


def test_another_school_s_message_is_no_cursor(tenants: Tenants) -> None:
    theirs = tenants.client.get("/api/v1/people/me/inbox", headers=tenants.south.headers("safety_staff")).json()[
        "items"
    ]
    [told, unknown] = [
        tenants.client.get(f"/api/v1/people/me/inbox?cursor={cursor}", headers=tenants.north.headers("safety_staff"))
        for cursor in (theirs[0]["id"], "nothing")
    ]
    assert (told.status_code, told.content) == (422, unknown.content)


def test_a_step_names_no_person_department_or_case_of_another_school(tenants: Tenants) -> None:
    for body in ({"assignee": MARK}, {"assignee": f"{MARK}@south"}, {"photos": [tenants.theirs["sha256"][0]]}):
        answer = tenants.client.post(
            "/api/v1/hazards", json={"title": "x", "place": "A", **body}, headers=tenants.north.headers("teacher")
        )
        assert answer.status_code == 422, body


@pytest.mark.parametrize("organisation, found", [("north", False), ("south", True)])
def test_a_ledger_is_of_one_school(organisation: str, found: bool, tenants: Tenants, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.xlsx"
    arguments = ["export", "ledger", "--organisation", organisation, "-o", str(ledger)]
    result = CliRunner().invoke(main, [*arguments, "--data", str(tmp_path / "data")])
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(ledger) as archive:
        written = b"".join(archive.read(name) for name in archive.namelist())
    assert (MARK.encode() in written) is found
    assert not _unnamed(_judged(tenants.said)), "of a command, and of a process that starts"


# --- figures -------------------------------------------------------------------------------------------------------------


def organisations(tenants: Tenants, school: School, person: str) -> list[dict[str, Any]]:
    answer = tenants.client.get("/api/v1/organisations", headers=school.headers(person, Accept_Language="en"))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize(
    "person, shown",
    [
        ("principal", ["bureau", "north", "south"]), ("safety_staff", ["bureau", "north", "south"]),
        ("auditor", ["bureau", "north", "south"]), ("teacher", ["bureau"]), ("driver", ["bureau"]),
    ],
)  # fmt: skip
def test_a_bureau_s_overseers_see_its_schools_in_figures(person: str, shown: list[str], tenants: Tenants) -> None:
    listed = organisations(tenants, tenants.bureau, person)
    assert [item["organisation"] for item in listed] == shown
    if len(listed) > 1:
        counts = {"open": 1, "overdue": 1, "closed": 0}
        assert listed[1]["by_workflow"]["hazard"] == counts
        assert listed[2]["by_workflow"]["hazard"] == {"open": 2, "overdue": 2, "closed": 0}
        assert (listed[1]["kind"], listed[1]["parent"]) == ("school", "bureau")
        assert set(listed[2]) == {
            "organisation", "name", "kind", "parent", "open", "overdue", "closed", "by_workflow"
        }, "counts and nothing else"  # fmt: skip


@pytest.mark.parametrize("person", ["principal", "auditor", "teacher"])
def test_a_school_sees_itself_as_far_as_one_sees_its_cases(person: str, tenants: Tenants) -> None:
    [own] = organisations(tenants, tenants.north, person)
    listed = tenants.client.get("/api/v1/cases", headers=tenants.north.headers(person)).json()["items"]
    assert (own["organisation"], own["parent"]) == ("north", None)
    assert own["open"] == len(listed) > 0


def test_a_tree_is_walked_to_its_leaves_and_a_ring_once(tenants: Tenants) -> None:
    with tenants.runtime.database.write_across() as connection:
        people.add_organisation(
            connection, Organisation("district", Text("区局", "District"), kind="bureau", parent="bureau")
        )
        connection.exec_driver_sql("UPDATE organisation SET parent = 'district' WHERE organisation = 'south'")
    shown = [item["organisation"] for item in organisations(tenants, tenants.bureau, "principal")]
    assert shown == ["bureau", "district", "south", "north"]
    with tenants.runtime.database.write_across() as connection:
        connection.exec_driver_sql("UPDATE organisation SET parent = 'south' WHERE organisation = 'bureau'")
    assert [item["organisation"] for item in organisations(tenants, tenants.bureau, "principal")] == shown


# --- a bureau's people in a school ---------------------------------------------------------------------------------------


def in_the_north(tenants: Tenants, *roles: str) -> Actor:
    """The bureau's teacher, who is nobody special at home, as he is in the north with these grants."""
    with tenants.runtime.database.write_across() as connection:
        for role in roles:
            people.give(connection, "north", "teacher@bureau", Grant(role))
    with tenants.runtime.database.read_across() as connection:
        actor = people.actor(connection, "north", "teacher@bureau", DAY)
    assert actor is not None
    return actor


@pytest.mark.parametrize(
    "roles, sees", [((), False), (("bureau",), True), (("safety_staff",), True), (("driver",), False)]
)
def test_of_a_school_a_bureau_sees_what_it_was_granted_there(
    roles: tuple[str, ...], sees: bool, tenants: Tenants
) -> None:
    actor = in_the_north(tenants, *roles)
    seen = visibility(actor, CATALOG.overseers)
    with tenants.runtime.database.read_across() as connection:
        [here, there] = [cases.load(connection, school, "YH-2020-0001") for school in ("north", "south")]
    assert here is not None and there is not None
    assert may_see(here, seen) is sees
    assert not may_see(there, seen), "a grant in one school says nothing of another"


def test_a_bureau_s_contact_reads_and_does_nothing(tenants: Tenants) -> None:
    actor = in_the_north(tenants, "bureau")
    engine = tenants.runtime.engine
    for workflow in CATALOG.newest():
        with pytest.raises(NotAllowed):
            handle_one(engine, Asked(actor, OpenCase(workflow.key, {}), "POST x", None))
    hazard = next(workflow for workflow in CATALOG.newest() if workflow.key == "hazard")
    for trigger, transitions in hazard.triggers.items():
        here = any("reported" in transition.sources for transition in transitions)
        with pytest.raises(NotAllowed if here else Refusal):
            handle_one(engine, Asked(actor, FireTrigger("YH-2020-0001", trigger, {}), "POST x", None))


def test_a_bureau_s_person_does_what_he_was_granted_and_is_on_record_as_who_he_is(tenants: Tenants) -> None:
    actor = in_the_north(tenants, "safety_staff")
    command = FireTrigger("YH-2020-0001", "reject", {"reason": "重复上报"})
    done = handle_one(tenants.runtime.engine, Asked(actor, command, "POST x", None))
    assert isinstance(done, Done), getattr(done, "refusal", done)
    assert done.event.actor == "person:teacher@bureau"
    told = tenants.client.get("/api/v1/hazards/YH-2020-0001/events", headers=tenants.north.headers("teacher")).json()
    assert told["items"][-1]["actor"] == "person:teacher@bureau"


# --- every statement -----------------------------------------------------------------------------------------------------

TENANT_TABLES = frozenset(name for name, table in SQLModel.metadata.tables.items() if "organisation" in table.columns)

#: statements that go over all organisations on purpose: what they hold → why. engine/store/SCALING.md lists them, too, with
#: what they cost; who asks them is `ACROSS` in tests/test_architecture.py
OVER_ALL = {
    "FROM organisation": "who there is at all: the tick's and the bureau's list; one row is asked for by its key",
    "FROM token": "a sign-in finds by the token which organisation it belongs to",
    "FROM session": "the same by a cookie",
    "FROM obligation": "the tick opens what any organisation owes; each row says whose it is",
    "FROM timer": "the tick finds whatever is due",
    "FROM outbox": "the worker claims whatever waits",
    "FROM delivery": "the worker sends whatever is due on a channel",
    "person.human IN": "accounts of one human being, in whatever organisation: separation looks at all of them",
    "FROM case_record WHERE NOT case_record.final": "start-up looks for open cases whose definition is gone",
    "FROM series WHERE (series.prefix NOT IN": "start-up looks for numbers of loops that this program lacks",
    "FROM unnumbered": "whose events wait for a number, and when the latest of them was: a simulation begins there",
    "FROM policy WHERE policy.workflow =": "whose day begins, and when: a school's own numbers of notifications say it",
    "FROM channel LEFT OUTER JOIN channel_state": "channels that do not work, counted for `/metrics`",
    "FROM channel_state WHERE channel_state.failures": "the same, of those that are given to all",
    "DELETE FROM answer WHERE answer.kept_until": "what is over is swept",
    "DELETE FROM sign_in_try": "the same",
    "DELETE FROM strangers_count": "the same",
    "FROM file WHERE NOT (EXISTS": "the same: files that nobody uses",
}

#: of these, what only a process asks that starts, or where somebody has two accounts
SELDOM = {
    "FROM case_record WHERE NOT case_record.final", "FROM series WHERE (series.prefix NOT IN", "person.human IN",
}  # fmt: skip


def test_every_statement_on_a_tenant_s_table_names_the_organisation(tenants: Tenants) -> None:
    """The two tests above judge theirs in the same way: what they have asked is not asked again."""
    for person in ("principal", "teacher", "driver"):
        for method, path, parameters in addresses(tenants.app):
            if method == "GET" and len(parameters) < 2:
                continue  # with a name nobody has, and with one's own: asked above, by these three, too
            asked(tenants, person, method, path, {**NOBODYS, "number": "YH-2020-0001", "person": "teacher"})
    in_the_north(tenants, "safety_staff")
    for sweep in ("tick", "deliver", "seal", "sweep"):
        getattr(tenants.runtime, sweep)()
    assert tenants.runtime.metrics.told()
    with tenants.runtime.database.read_across() as connection:
        tenants.said.update(prebuilt.made(connection).sql for prebuilt in _prebuilt())
    judged = _judged(tenants.said)
    unnamed = _unnamed(judged)
    assert not unnamed, "\n".join(unnamed)
    not_asked = {sign for sign in OVER_ALL if not any(sign in s for s in judged)}
    assert not_asked == SELDOM, "what nobody asks any more needs no leave"
    assert len(judged) > 60
    assert {"DELETE", "SELECT", "UPDATE"} <= {s.split()[0] for s in judged}


def _judged(said: set[str]) -> set[str]:
    """Those on a tenant's table, each on one line."""
    return {line for line in (" ".join(statement.split()) for statement in said) if _tables(line) & TENANT_TABLES}


def _unnamed(judged: set[str]) -> list[str]:
    """Those that are loose, and not on purpose."""
    loose = {s for s in judged if not _names_one(s)}
    return sorted(s for s in loose if not any(sign in s for sign in OVER_ALL))


def _prebuilt() -> Iterator[Statement]:
    """What goes to the driver itself, past whoever listens."""
    for package in (engine.store, notifications):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, Statement):
                    yield value
                elif isinstance(value, Listing):
                    yield value.of([""])


def _tables(statement: str) -> set[str]:
    """The tables a statement reads, changes or deletes from; what is only inserted carries its organisation by its key."""
    return set(re.findall(r"\b(?:FROM|JOIN|UPDATE) (\w+)", statement))


#: an organisation that whoever asks gives a value for: where it is only that of another table, they may all be meant
ONE = re.compile(r"\borganisation\)? (?:= |IN )\(?(?:\?|\$\d|%\()")


def _names_one(statement: str) -> bool:
    """Whether its condition, or that of a join, names the organisation."""
    return ONE.search(re.split(r" (?:WHERE|JOIN) ", f"{statement} WHERE ", maxsplit=1)[1]) is not None
