"""Pictures and documents over HTTP: kept without what they should not carry, seen by whom they concern, never a page."""

import hashlib
import io
import json
import logging
import threading
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from api.app import create_app
from api.bootstrap import Runtime
from api.evidence.documents import DOCX, PDF, XLSX
from api.evidence.store import PLACES
from engine.clock import SimulatedClock
from engine.store import history
from tests.api.evidence.making import PLACE, a_docx, a_pdf, a_photo, a_sight, an_xlsx, encoded
from tests.builders import School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from workflows import CATALOG
from workflows.reference import criteria_for

FILES = "/api/v1/files"


def send(
    client: httpx.Client, school: School, content: bytes, kind: str = "image/jpeg", person: str = "teacher", **more: str
) -> httpx.Response:
    headers = school.headers(person, Accept_Language="en", Content_Type=kind, **more)
    return client.post(FILES, content=content, headers=headers)


def sent(
    client: httpx.Client, school: School, content: bytes, kind: str = "image/jpeg", person: str = "teacher", **more: str
) -> dict[str, Any]:
    answer = send(client, school, content, kind, person, **more)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def get(client: httpx.Client, school: School, path: str, person: str = "teacher", **more: str) -> httpx.Response:
    return client.get(f"{FILES}/{path}", headers=school.headers(person, Accept_Language="en", **more))


def left(runtime: Runtime) -> list[Path]:
    return [path for path in runtime.folder.files.rglob("*") if path.is_file()]


# --- what is kept --------------------------------------------------------------------------------------------------------


def test_a_photo_is_kept_without_where_and_by_what_it_was_taken(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    photo = a_photo(6)
    told = sent(client, school, photo)
    fetched, small = get(client, school, told["sha256"]), get(client, school, f"{told['sha256']}/thumbnail")
    assert hashlib.sha256(fetched.content).hexdigest() == told["sha256"]
    assert told["sent_sha256"] == hashlib.sha256(photo).hexdigest() != told["sha256"]
    assert (told["taken_at"], told["size_bytes"]) == ("2020-03-01T08:30:00+08:00", len(fetched.content))
    assert told["thumbnail"] == f"{FILES}/{told['sha256']}/thumbnail"
    assert small.headers["content-type"] == "image/jpeg"
    written = [path.read_bytes() for path in left(runtime)]
    assert len(written) == 2, "the picture and its thumbnail"
    for content in (fetched.content, small.content, *written):
        assert PLACE.encode() not in content and b"Exif" not in content


def test_the_same_upload_again_is_the_same_file_and_so_is_what_was_kept_of_it(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    photo = a_photo()
    first = sent(client, school, photo)
    kept = get(client, school, first["sha256"]).content
    assert sent(client, school, photo) == first
    again = sent(client, school, kept, "image/jpeg", "teacher2")
    assert (again["sha256"], again["sent_sha256"]) == (first["sha256"], first["sha256"])
    assert len(left(runtime)) == 2
    assert get(client, school, f"{first['sha256']}/about").json()["sent_sha256"] == first["sent_sha256"]


@pytest.mark.parametrize("taken_at", ["1980:01:01 00:00:00", "2031:01:01 00:00:00"])
def test_a_time_no_camera_can_mean_is_no_claim(taken_at: str, client: httpx.Client, school: School) -> None:
    assert sent(client, school, a_photo(taken_at=taken_at))["taken_at"] is None


def test_a_picture_with_a_page_behind_it_is_kept_as_the_picture(client: httpx.Client, school: School) -> None:
    polyglot = encoded(a_sight(), "PNG") + b"<html><script>alert(1)</script>" + a_docx()
    told = sent(client, school, polyglot, "image/png")
    content = get(client, school, told["sha256"]).content
    assert b"<script" not in content and not zipfile.is_zipfile(io.BytesIO(content))


# --- documents -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, media, extension", [(a_pdf(), PDF, ".pdf"), (a_docx(), DOCX, ".docx"), (an_xlsx(), XLSX, ".xlsx")]
)
def test_a_document_is_saved_and_never_shown(
    content: bytes, media: str, extension: str, client: httpx.Client, school: School
) -> None:
    name = {"Content_Disposition": "attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A" + extension}
    told = sent(client, school, content, media, **name)
    assert (told["name"], told["media_type"], told["thumbnail"]) == (f"报告{extension}", media, None)
    fetched = get(client, school, told["sha256"])
    assert fetched.content == content
    assert fetched.headers["content-type"] == "application/octet-stream"
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in fetched.headers["content-security-policy"]
    assert fetched.headers["content-disposition"] == (
        f"attachment; filename=\"{told['sha256'][:12]}{extension}\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A{extension}"
    )
    assert get(client, school, f"{told['sha256']}/thumbnail").status_code == 404


@pytest.mark.parametrize(
    "content, media, status",
    [
        (a_pdf(), "image/jpeg", 422), (a_photo(), PDF, 422), (b"<svg/>", "image/svg+xml", 422), (b"<html>", PDF, 422),
        (b"<html>", "text/html", 415), (b"x", "application/octet-stream", 415), (b"x", "application/zip", 415),
        (b"x", "application/vnd.ms-word.document.macroEnabled.12", 415), (b"x", "multipart/form-data; boundary=x", 415),
        (a_docx(**{"word/vbaProject.bin": b"x"}), DOCX, 422),
    ],
)  # fmt: skip
def test_what_is_not_evidence_is_refused_in_words_and_leaves_nothing(
    content: bytes, media: str, status: int, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    answer = send(client, school, content, media)
    assert answer.status_code == status, answer.text
    assert answer.json()["obstacle"] and answer.json()["remedy"]
    assert list(runtime.folder.files.rglob("*")) == []


@pytest.mark.parametrize(
    "said",
    [
        "..%2F..%2F..%2Fevil.pdf", "%2Fetc%2Fevil.pdf", "C%3A%5Cevil.pdf", "evil.pdf%00.exe", "CON", "evil.pdf....",
        "x" * 300 + ".pdf", "%E2%80%AEfdp.exe", "x%0D%0ASet-Cookie%3A%20a%3Db%0D%0A%0D%0A<script>", "%22%3B%20filename%3Dx.exe",
    ],
)  # fmt: skip
def test_a_name_that_would_be_a_trick_is_only_a_name(
    said: str, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    told = sent(client, school, a_pdf(), PDF, Content_Disposition=f"attachment; filename*=UTF-8''{said}")
    [path] = left(runtime)
    assert path == runtime.files.path_of("school", told["sha256"])
    fetched = get(client, school, told["sha256"])
    header = fetched.headers["content-disposition"]
    assert "set-cookie" not in fetched.headers
    assert header.endswith(".pdf") and header.count(";") == 2 and header.count('"') == 2
    assert not set(told["name"]) & set('/\\:"<>|?*\r\n\0\u202e') and len(told["name"]) < 210


# --- limits --------------------------------------------------------------------------------------------------------------


def test_each_kind_has_its_limit(client: httpx.Client, runtime: Runtime, school: School) -> None:
    runtime.settings = runtime.settings.model_copy(update={"max_upload_bytes": 2_000, "max_document_bytes": 4_000})
    for size, kind, status in [
        (2_001, "image/png", 413),
        (2_000, "image/png", 422),
        (4_001, PDF, 413),
        (4_000, PDF, 422),
    ]:
        assert send(client, school, bytes(size), kind).status_code == status, (size, kind)


def test_when_too_many_upload_at_once_one_is_asked_to_come_again(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    held = [runtime.files._place() for _ in range(PLACES)]  # as many uploads as are looked into at a time
    for place in held:
        place.__enter__()
    busy = send(client, school, a_photo())
    assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (503, "busy", "1")
    for place in held:
        place.__exit__(None, None, None)
    assert send(client, school, a_photo()).status_code == 201


SEEDS = [
    (encoded(a_sight((24, 16)), "PNG"), "image/png"), (a_photo(image=a_sight((24, 16))), "image/jpeg"),
    (encoded(a_sight((24, 16)), "JPEG", progressive=True), "image/jpeg"), (encoded(a_sight((24, 16)), "WEBP"), "image/webp"),
    (a_pdf(), PDF), (a_docx(), DOCX), (an_xlsx(), XLSX),
]  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[bytes, str]:
    """One of the above with a few bytes altered, taken out, doubled or put in, sent as whatever."""
    content, kind = draw(st.sampled_from(SEEDS))
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(changed)))
        size = draw(st.integers(0, 8))
        part = draw(st.one_of(st.binary(max_size=8), st.just(bytes(changed[at : at + 40]))))
        changed[at : at + size] = part
    return bytes(changed), draw(st.one_of(st.just(kind), st.sampled_from([PDF, DOCX, "image/png"])))


@pytest.mark.slow
def test_whatever_is_sent_is_kept_or_refused_in_words(client: httpx.Client, runtime: Runtime, school: School) -> None:
    known: set[Path] = set()
    taken = {201: 0, 422: 0}

    @settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(spoiled())
    def sending(upload: tuple[bytes, str]) -> None:
        answer = send(client, school, *upload)
        assert answer.status_code in taken, answer.text
        taken[answer.status_code] += 1
        if answer.status_code == 201:
            path = runtime.files.path_of("school", answer.json()["sha256"])
            known.update({path, path.with_name(f"{path.name}.thumbnail")})
        else:
            assert answer.json()["obstacle"]
        assert set(left(runtime)) <= known

    sending()
    assert all(taken.values()), taken


# --- who sees it, and for how long ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "/thumbnail", "/about"])
def test_a_thumbnail_is_seen_by_who_may_see_the_picture(
    below: str, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    elsewhere = a_school(runtime.database, "elsewhere")
    name = sent(client, school, a_photo())["sha256"]
    body = {"title": "x", "place": "A", "department": "HQC", "photos": [name]}
    before = [
        get(client, school, f"{name}{below}", person).status_code for person in ("teacher", "hqc_head", "principal")
    ]
    assert before == [200, 404, 404]
    assert client.post("/api/v1/repairs", json=body, headers=school.headers("teacher")).status_code == 201
    assert get(client, school, f"{name}{below}", "hqc_head").status_code == 200
    assert get(client, school, f"{name}{below}", "principal").status_code == 200
    assert get(client, school, f"{name}{below}", "driver").status_code == 404
    assert get(client, elsewhere, f"{name}{below}", "principal").status_code == 404


@pytest.mark.parametrize("below", ["", "/thumbnail"])
def test_what_the_asker_has_is_not_sent_again(below: str, client: httpx.Client, school: School) -> None:
    path = sent(client, school, a_photo())["sha256"] + below
    etag = get(client, school, path).headers["etag"]
    again = get(client, school, path, If_None_Match=etag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert get(client, school, path, If_None_Match='"other"').status_code == 200


def test_bytes_that_somebody_took_away_are_told_and_come_back_when_sent_again(
    client: httpx.Client, runtime: Runtime, school: School, caplog: pytest.LogCaptureFixture
) -> None:
    photo = a_photo()
    name = sent(client, school, photo)["sha256"]
    whole = get(client, school, name).content
    thumbnail = get(client, school, f"{name}/thumbnail").content
    for path in left(runtime):
        path.unlink()
    for below in ("", "/thumbnail"):
        gone = get(client, school, f"{name}{below}")
        assert (gone.status_code, gone.json()["code"]) == (410, "file_gone")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert name in caplog.text
    assert sent(client, school, photo)["sha256"] == name
    assert get(client, school, name).content == whole
    runtime.files.path_of("school", name).with_name(f"{name}.thumbnail").unlink()
    again = Image.open(io.BytesIO(get(client, school, f"{name}/thumbnail").content))
    assert again.size == Image.open(io.BytesIO(thumbnail)).size, "made again, of what was kept"


def test_an_upload_nobody_used_is_swept_with_its_thumbnail(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    used, unused = (
        sent(client, school, a_photo())["sha256"],
        sent(client, school, encoded(a_sight(), "PNG"), "image/png"),
    )
    body = {"title": "x", "place": "A", "photos": [used]}
    assert client.post("/api/v1/repairs", json=body, headers=school.headers("teacher")).status_code == 201
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=8))
    assert runtime.sweep()[0] == 1
    assert {path.name.partition(".")[0] for path in left(runtime)} == {used}
    assert get(client, school, f"{unused['sha256']}/thumbnail").status_code == 404


def test_two_who_send_the_same_at_once_both_have_it(client: httpx.Client, runtime: Runtime, school: School) -> None:
    photo, told = a_photo(), []
    people = ["teacher", "teacher2", "repairer", "driver"]
    threads = [
        threading.Thread(target=lambda person=person: told.append(send(client, school, photo, person=person)))
        for person in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in told} == {201}
    assert len({answer.json()["sha256"] for answer in told}) == 1
    assert len(left(runtime)) == 2


# --- steps ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hazards(tmp_path: Path, kind: Kind) -> Iterator[tuple[httpx.Client, School, Runtime]]:
    runtime = a_runtime(tmp_path / "hazards", kind, catalog=CATALOG)
    with calling(create_app(runtime)) as client:
        yield client, a_school(runtime.database), runtime
    runtime.close()


def assigned(client: httpx.Client, school: School) -> str:
    report = {"title": "插座面板松动", "place": "实训楼 A-101", "category": "ELEC.use"}
    number = str(client.post("/api/v1/hazards", json=report, headers=school.headers("teacher")).json()["number"])
    given = {
        "category": "ELEC.use", "criteria": {c.code: False for c in criteria_for("ELEC.use")}, "department": "HQC",
        "assignee": "repairer", "time_limit": "days3", "requirement": "更换面板", "interim": "断电",
    }  # fmt: skip
    answer = client.post(f"/api/v1/hazards/{number}/assign", json=given, headers=school.headers("safety_staff"))
    assert answer.status_code == 200, answer.text
    client.post(f"/api/v1/hazards/{number}/acknowledge", headers=school.headers("repairer"))
    return number


def test_a_step_takes_a_photo_where_a_photo_is_asked_for_and_a_paper_where_a_paper_is(
    hazards: tuple[httpx.Client, School, Runtime],
) -> None:
    client, school, runtime = hazards
    number = assigned(client, school)
    photo = sent(client, school, a_photo(), "image/jpeg", "repairer")["sha256"]
    paper = sent(client, school, a_pdf(), PDF, "repairer")["sha256"]

    def fix(**given: list[str]) -> httpx.Response:
        body = {"measure": "已更换面板", **given}
        headers = school.headers("repairer", Accept_Language="en")
        return client.post(f"/api/v1/hazards/{number}/fix", json=body, headers=headers)

    for named, field, why in [
        ({"photos_after": [paper]}, "photos_after.0", "is a document"),
        ({"photos_after": [photo], "attachments": [paper, photo]}, "attachments.1", "is a picture"),
        ({"photos_after": ["0" * 64]}, "photos_after.0", "is neither uploaded by you nor evidence you may see"),
        (
            {"photos_after": [photo], "attachments": ["0" * 64]},
            "attachments.0",
            "is neither uploaded by you nor evidence you may see",
        ),
        ({"photos_after": [photo], "attachments": [paper] * 6}, "attachments", "5"),
    ]:
        answer = fix(**named)
        assert answer.status_code == 422, answer.text
        assert answer.json()["fields"][0]["field"] == field and why in answer.json()["fields"][0]["what"]
    without: list[dict[str, list[str]]] = [{}, {"photos_after": []}, {"attachments": [paper]}]
    for named in without:
        answer = fix(**named)
        assert (answer.status_code, answer.json()["code"]) == (409, "guard_refused"), answer.text
    assert fix(photos_after=[photo], attachments=[paper]).status_code == 200

    events = client.get(f"/api/v1/hazards/{number}/events", headers=school.headers("principal")).json()["items"]
    assert (events[-1]["data"]["photos_after"], events[-1]["data"]["attachments"]) == ([photo], [paper])
    with runtime.database.read_across() as connection:
        committed = json.loads(history.envelopes_of(connection, "school", number)[-1])["commitments"]
    assert {"kept.facts.photos_after", "kept.facts.attachments"} <= set(committed), "the chain answers for both"
    for person, status in (("principal", 200), ("driver", 404)):
        for name in (photo, paper):
            assert get(client, school, name, person).status_code == status


def test_a_picture_of_another_is_evidence_only_for_who_sees_it_in_a_case(
    hazards: tuple[httpx.Client, School, Runtime],
) -> None:
    client, school, _ = hazards
    number = assigned(client, school)
    photo = sent(client, school, a_photo(), "image/jpeg", "repairer")["sha256"]

    def cited(person: str) -> int:
        said = {"title": "插座面板松动", "place": "实训楼 A-102", "photos": [photo]}
        return client.post("/api/v1/hazards", json=said, headers=school.headers(person)).status_code

    assert {person: cited(person) for person in ("teacher", "safety_staff", "driver")} == {
        "teacher": 422, "safety_staff": 422, "driver": 422
    }  # fmt: skip
    fix = {"measure": "已更换面板", "photos_after": [photo]}
    assert client.post(f"/api/v1/hazards/{number}/fix", json=fix, headers=school.headers("repairer")).status_code == 200
    assert {person: cited(person) for person in ("teacher", "safety_staff", "driver")} == {
        "teacher": 201, "safety_staff": 201, "driver": 422
    }, "it is evidence now in a case the first two may see"  # fmt: skip


def test_the_form_says_that_a_document_is_asked_for(hazards: tuple[httpx.Client, School, Runtime]) -> None:
    client, school, _ = hazards
    forms = client.get("/api/v1/workflows/hazard", headers=school.headers("teacher")).json()["forms"]
    asked = forms["ReportFixWithPapers"]["properties"]
    assert (asked["attachments"]["items"]["reference"], asked["attachments"]["maxItems"]) == ("document", 5)
    assert "reference" not in asked["photos_after"]["items"]
    assert "attachments" in forms["FilePlanWithConsent"]["properties"]


def test_a_picture_looks_as_it_did(client: httpx.Client, school: School) -> None:
    name = sent(client, school, a_photo())["sha256"]
    whole = Image.open(io.BytesIO(get(client, school, name).content)).convert("RGB")
    pixel = whole.getpixel((20, 20))
    assert isinstance(pixel, tuple) and pixel[0] > 240 and max(pixel[1:]) < 15
