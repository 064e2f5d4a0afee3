"""A stranger's report: taken where the school allows it, as much of it as the school takes, under nobody's name; his pictures
are for the safety office alone until it takes the report up.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import select

from api import anonymous, labels, logs
from api.anonymous import Report
from api.app import create_app
from api.bootstrap import Runtime
from api.problems import TooManyReports
from engine.case import Case
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger
from engine.errors import GuardRefused, InvalidInput, Refusal
from engine.handle import Done, handle_one
from engine.store import cases, history, policies
from engine.store.database import table_of
from engine.store.labels import Label
from engine.store.tables import FileRow, StrangersCountRow
from tests.builders import START, School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from tests.pictures import as_sent
from workflows import CATALOG
from workflows.reference import criteria_for

EAST = "教学楼三层东侧"
ADDRESS = "203.0.113.77"
SEEN = "消防通道被电动车堵住"


def a_picture(shade: int = 90) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (32, 24), (shade, 120, 60)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    with closing(a_runtime(tmp_path / "data", kind, catalog=CATALOG)) as made:
        yield made


@pytest.fixture
def school(runtime: Runtime) -> School:
    return a_school(runtime.database)


@pytest.fixture
def client(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        yield client


@pytest.fixture
def label(runtime: Runtime, school: School) -> Label:
    decide(runtime, anonymous_reports=True)
    return labels.make(runtime, school.actor("safety_staff"), EAST)


def decide(runtime: Runtime, **numbers: Any) -> None:
    loop = CATALOG.get("hazard")
    assert loop is not None
    with runtime.database.write("school") as connection:
        _, before = policies.in_force(connection, "school", "hazard")
        checked = loop.checked_policy({**before, **numbers})
        policies.set_(connection, "school", "hazard", checked, "principal", runtime.clock.now())


def report(
    runtime: Runtime, label: Label, key: str = "k1", title: str = SEEN, address: str = ADDRESS, *pictures: bytes
) -> None:
    anonymous.take(runtime, label, Report(title, key, address, [as_sent(picture) for picture in pictures]))


def the_case(runtime: Runtime, number: str = "YH-2020-0001") -> Case:
    with runtime.database.read("school") as connection:
        case = cases.load(connection, "school", number)
    assert case is not None
    return case


def how_many(runtime: Runtime) -> int:
    with runtime.database.read("school") as connection:
        return len(cases.load_many(connection, "school", [f"YH-2020-{n:04}" for n in range(1, 60)]))


def counted(runtime: Runtime) -> list[int]:
    with runtime.database.read("school") as connection:
        rows = connection.execute(select(table_of(StrangersCountRow).c.reports)).scalars()
        return sorted(rows)


# --- who reported --------------------------------------------------------------------------------------------------------


def test_the_events_carry_the_place_and_nobody(
    runtime: Runtime, label: Label, client: httpx.Client, school: School
) -> None:
    report(runtime, label)
    with runtime.database.read("school") as connection:
        [event] = history.events_of(connection, "school", "YH-2020-0001")
    assert event.actor == f"anonymous:{EAST}" and event.on_behalf_of is None and event.found_at is None
    case = the_case(runtime)
    assert (case.title, case.place, case.reporter, case.facts["source"]) == (SEEN, EAST, None, "anonymous")
    told = client.get("/api/v1/hazards/YH-2020-0001/events", headers=school.headers("safety_staff")).json()
    assert told["items"][0]["actor"] == f"anonymous:{EAST}"


def test_the_address_is_nowhere_in_what_is_kept_or_logged(
    runtime: Runtime, label: Label, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(runtime, anonymous_per_place=1)
    logs.configure("debug", "json")
    report(runtime, label)
    with pytest.raises(TooManyReports):
        report(runtime, label, "k2")
    with pytest.raises(InvalidInput):
        report(runtime, label, "k3", " ")
    said = capsys.readouterr().err
    refused = [line for line in map(json.loads, said.splitlines()) if line["message"] == "refused"]
    assert [line["code"] for line in refused] == ["too_many_reports", "invalid_input"]
    assert {line["principal"] for line in refused} == {f"anonymous:{EAST}"}
    assert ADDRESS not in said and SEEN not in said
    with runtime.database.own() as connection:
        if connection.dialect.name == "sqlite":
            dumped = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
            assert EAST in dumped and ADDRESS not in dumped
    with runtime.database.read_across() as connection:
        sources = connection.execute(select(table_of(StrangersCountRow).c.source)).scalars().all()
    assert len(sources) == 3 and ADDRESS not in str(sources)


def test_a_school_that_closed_it_again_takes_nothing_and_counts_nothing(runtime: Runtime, label: Label) -> None:
    decide(runtime, anonymous_reports=False)
    assert not anonymous.allowed(runtime, "school")
    with pytest.raises(GuardRefused):
        report(runtime, label)
    assert how_many(runtime) == 0 and set(counted(runtime)) == {0}


def test_what_was_typed_is_words_and_nothing_else(runtime: Runtime, label: Label) -> None:
    report(runtime, label, "k1", "<script>alert(1)</script>\n  {number} =HYPERLINK(1) ")
    assert the_case(runtime).title == "<script>alert(1)</script> {number} =HYPERLINK(1)"
    for title in ("", "\u202eabc", "x" * 201, "a\x00b", "\u200b"):
        with pytest.raises(InvalidInput) as refused:
            report(runtime, label, f"key {len(title)}", title)
        assert [fault.field for fault in refused.value.fields] == ["title"]
    assert how_many(runtime) == 1 and set(counted(runtime)) == {1}


# --- how much ------------------------------------------------------------------------------------------------------------

#: what the school takes → (place, address) of each report in turn → how many are taken
QUOTAS: dict[str, tuple[dict[str, int], list[tuple[str, str]], int]] = {
    "at one place": ({"anonymous_per_place": 2}, [(EAST, f"198.51.100.{n}") for n in range(4)], 2),
    "another place is another": ({"anonymous_per_place": 1}, [(EAST, "198.51.100.1"), ("西门", "198.51.100.1")], 2),
    "from one address": ({"anonymous_per_address": 2}, [(f"门{n}", ADDRESS) for n in range(4)], 2),
    "from one IPv6 network": ({"anonymous_per_address": 1}, [(EAST, "2001:db8::1"), (EAST, "2001:db8::ffff")], 1),
    "from two of them": ({"anonymous_per_address": 1}, [(EAST, "2001:db8::1"), (EAST, "2001:db8:0:1::1")], 2),
    "in the whole school": ({"anonymous_per_day": 3}, [(f"门{n}", f"198.51.100.{n}") for n in range(5)], 3),
}


@pytest.mark.parametrize("numbers, sent, taken", QUOTAS.values(), ids=QUOTAS.keys())
def test_no_more_is_taken_in_a_day_than_the_school_says(
    runtime: Runtime, school: School, label: Label, numbers: dict[str, int], sent: list[tuple[str, str]], taken: int
) -> None:
    decide(runtime, **numbers)
    actor = school.actor("safety_staff")
    at = {place: labels.make(runtime, actor, place) for place in {place for place, _ in sent} - {EAST}} | {EAST: label}
    refused: list[Refusal] = []
    for n, (place, address) in enumerate(sent):
        try:
            report(runtime, at[place], f"key-{n}", SEEN, address)
        except TooManyReports as refusal:
            refused.append(refusal)
    assert (how_many(runtime), len(refused)) == (taken, len(sent) - taken)
    assert all("明天" in each.remedy.zh and "tomorrow" in each.remedy.en for each in refused)
    clock = runtime.clock
    assert isinstance(clock, SimulatedClock)
    if refused:
        assert isinstance(refused[0], TooManyReports) and refused[0].retry_after_seconds == 15 * 3600, (
            "09:00 at the school"
        )
    clock.advance(timedelta(days=1))
    report(runtime, label, "tomorrow")
    assert how_many(runtime) == taken + 1


def test_pressed_twice_it_is_one_report_and_counted_once(runtime: Runtime, label: Label) -> None:
    for _ in range(3):
        report(runtime, label)
    assert how_many(runtime) == 1 and set(counted(runtime)) == {1}


@pytest.mark.parametrize("title, pictures, field", [("", 0, "title"), (SEEN, 4, "photos")])
def test_what_came_to_nothing_is_not_counted(
    runtime: Runtime, label: Label, title: str, pictures: int, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        report(runtime, label, "k1", title, ADDRESS, *map(a_picture, range(pictures)))
    assert [fault.field for fault in refused.value.fields] == [field]
    assert how_many(runtime) == 0 and counted(runtime) == []


@pytest.mark.parametrize("before", [[], [a_picture(10)]])
def test_what_came_to_nothing_but_had_its_pictures_looked_into_is_counted(
    runtime: Runtime, label: Label, before: list[bytes]
) -> None:
    decide(runtime, anonymous_per_address=2)
    for key in ("k1", "k2"):
        with pytest.raises(InvalidInput) as refused:
            report(runtime, label, key, SEEN, ADDRESS, *before, b"no picture at all")
        assert [fault.field for fault in refused.value.fields] == ["photos"]
    with pytest.raises(TooManyReports):
        report(runtime, label, "k3", SEEN, ADDRESS, *before, b"no picture at all")
    assert how_many(runtime) == 0 and set(counted(runtime)) == {2}
    with runtime.database.read("school") as connection:
        assert len(connection.execute(select(table_of(FileRow).c.sha256)).all()) == len(before)


def test_counts_of_days_gone_by_are_swept(runtime: Runtime, label: Label) -> None:
    report(runtime, label)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=1))
    runtime.sweep()
    assert counted(runtime), "somewhere it may still be that day"
    runtime.clock.advance(timedelta(days=2))
    runtime.sweep()
    assert counted(runtime) == []


# --- pictures ------------------------------------------------------------------------------------------------------------


def fetched(client: httpx.Client, school: School, sha256: str, person: str) -> set[int]:
    address = f"/api/v1/files/{sha256}"
    headers = school.headers(person)
    return {client.get(address + more, headers=headers).status_code for more in ("", "/thumbnail", "/about")}


@pytest.fixture
def picture(runtime: Runtime, label: Label) -> str:
    """The hash of the picture a stranger sent with his report."""
    report(runtime, label, "k1", SEEN, ADDRESS, a_picture())
    with runtime.database.read("school") as connection:
        found: str = connection.execute(select(table_of(FileRow).c.sha256)).scalar_one()
    return found


EVERYBODY = ("principal", "vp_safety", "auditor", "hqc_head", "hqc_safety", "teacher", "driver")


def step(runtime: Runtime, school: School, person: str, trigger: str, **data: Any) -> None:
    done = handle_one(runtime.engine, Asked(school.actor(person), FireTrigger("YH-2020-0001", trigger, data)))
    assert isinstance(done, Done)


def test_only_the_safety_office_sees_them_before_the_report_is_taken_up(
    runtime: Runtime, school: School, client: httpx.Client, picture: str
) -> None:
    for person in ("safety_staff", "safety_head"):
        assert fetched(client, school, picture, person) == {200}, person
    for person in EVERYBODY:
        assert fetched(client, school, picture, person) == {404}, person
    seen = client.get("/api/v1/hazards/YH-2020-0001", headers=school.headers("principal"))
    assert seen.status_code == 200, "the case itself is seen, its pictures are not"
    criteria = {criterion.code: False for criterion in criteria_for("FIRE.exit")}
    step(
        runtime, school, "safety_staff", "assign", category="FIRE.exit", criteria=criteria, department="HQC",
        assignee="repairer", time_limit="days3", requirement="清走", interim="专人看守",
    )  # fmt: skip
    for person in ("principal", "auditor", "repairer", "hqc_head"):
        assert fetched(client, school, picture, person) == {200}, person
    assert fetched(client, school, picture, "driver") == {404}


@pytest.mark.parametrize("person", ["teacher", "principal"])  # who does not see the case, and who sees it without them
def test_who_knows_the_hash_of_one_held_back_makes_no_evidence_of_his_own_from_it(
    runtime: Runtime, school: School, client: httpx.Client, picture: str, person: str
) -> None:
    said = {"title": "门口地砖松动", "place": "东门", "photos": [picture]}
    headers = school.headers(person, Accept_Language="en")
    answer = client.post("/api/v1/hazards", json=said, headers=headers)
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["fields"]
    assert fault["field"] == "photos.0" and "neither uploaded by you nor evidence you may see" in fault["what"]
    unknown = client.post("/api/v1/hazards", json=said | {"photos": ["0" * 64]}, headers=headers).json()["fields"]
    assert unknown[0]["what"].replace("0" * 64, picture) == fault["what"], "whether there is one is not told"
    assert fetched(client, school, picture, person) == {404}


def test_the_safety_office_may_name_it_as_evidence(
    runtime: Runtime, school: School, client: httpx.Client, picture: str
) -> None:
    said = {"title": "门口地砖松动", "place": "东门", "photos": [picture]}
    assert client.post("/api/v1/hazards", json=said, headers=school.headers("safety_staff")).status_code == 201


def test_those_of_a_rejected_report_are_shown_to_nobody_again(
    runtime: Runtime, school: School, client: httpx.Client, picture: str
) -> None:
    step(runtime, school, "safety_staff", "reject", reason="与安全无关")
    for person in (*EVERYBODY, "safety_staff", "safety_head"):
        assert fetched(client, school, picture, person) == {404}, person


@pytest.mark.parametrize("rejected", [False, True])
def test_no_evidence_pack_holds_them_meanwhile(
    runtime: Runtime, school: School, client: httpx.Client, picture: str, rejected: bool
) -> None:
    if rejected:
        step(runtime, school, "safety_staff", "reject", reason="与安全无关")
    runtime.seal()
    answer = client.get("/api/v1/hazards/YH-2020-0001/evidence", headers=school.headers("safety_head"))
    assert answer.status_code == 200, answer.text
    pack = zipfile.ZipFile(io.BytesIO(answer.content))
    assert not [name for name in pack.namelist() if name.startswith("files/")]
    assert "匿名上报的照片，受理前不出示" in pack.read("index.html").decode()


def test_the_same_picture_sent_by_somebody_signed_in_is_his(
    runtime: Runtime, school: School, client: httpx.Client, picture: str
) -> None:
    headers = {**school.headers("teacher"), "Content-Type": "image/jpeg"}
    sent = client.post("/api/v1/files", content=a_picture(), headers=headers).json()["sha256"]
    assert sent == picture and fetched(client, school, picture, "teacher") == {200}
    assert fetched(client, school, picture, "teacher2") == {404}


def test_a_stranger_s_picture_says_nothing_of_his_camera_or_place(
    runtime: Runtime, label: Label, client: httpx.Client, school: School
) -> None:
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0110] = "A telling camera"
    Image.new("RGB", (32, 24), (9, 9, 9)).save(content, "JPEG", exif=exif)
    report(runtime, label, "k1", SEEN, ADDRESS, content.getvalue())
    [sha256] = the_case(runtime).facts["photos"]
    shown = client.get(f"/api/v1/files/{sha256}", headers=school.headers("safety_staff"))
    assert shown.status_code == 200 and b"telling" not in shown.content
    about = client.get(f"/api/v1/files/{sha256}/about", headers=school.headers("safety_staff")).json()
    assert about["name"] == ""


def test_the_day_is_the_school_s(runtime: Runtime, label: Label) -> None:
    report(runtime, label)
    with runtime.database.read("school") as connection:
        assert set(connection.execute(select(table_of(StrangersCountRow).c.day)).scalars()) == {
            START.date().isoformat()
        }
