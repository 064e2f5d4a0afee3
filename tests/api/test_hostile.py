"""What a hostile or unlucky caller meets at the addresses: every answer is in words, and says what is so."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from api.app import create_app
from api.bootstrap import Runtime
from tests.builders import School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from workflows import CATALOG

REPAIR = {"title": "插座松动", "place": "A-101"}


# --- pictures ---


def a_picture(kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((160, 120), 80).convert("RGB").save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("asked", ["bytes=abc", "bytes=0-3", "bytes=999999-", "lines=1-2"])
def test_a_part_of_a_picture_is_answered_with_all_of_it(asked: str, client: httpx.Client, school: School) -> None:
    headers = school.headers("teacher", Content_Type="image/png")
    where = client.post("/api/v1/files", content=a_picture("PNG"), headers=headers).headers["location"]
    whole = client.get(where, headers=headers)
    part = client.get(where, headers={**headers, "Range": asked})
    assert (part.status_code, part.content, part.headers["accept-ranges"]) == (200, whole.content, "none")


@pytest.mark.parametrize("known, status", [("{}", 304), ("W/{}", 304), ('"a", {}', 304), ("*", 304), ('"a"', 200)])
def test_a_picture_the_asker_has_is_not_sent_again(
    known: str, status: int, client: httpx.Client, school: School
) -> None:
    headers = school.headers("teacher", Content_Type="image/png")
    sent = client.post("/api/v1/files", content=a_picture("PNG"), headers=headers)
    etag = f'"{sent.json()["sha256"]}"'
    answer = client.get(sent.headers["location"], headers={**headers, "If-None-Match": known.format(etag)})
    assert (answer.status_code, answer.headers["etag"]) == (status, etag)
    assert (answer.content == b"") == (status == 304)


# --- a database that cannot be written to ----------------------------------------------------------------------------


def test_a_folder_that_was_moved_away_takes_nothing_and_says_so(
    client: httpx.Client, runtime: Runtime, school: School, tmp_path: Path
) -> None:
    assert client.get("/readyz").status_code == 200
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    for path, body, kind in [
        ("repairs", b'{"title": "x", "place": "A"}', "application/json"),
        ("files", a_picture("PNG"), "image/png"),
        ("people/me/inbox/read", b"{}", "application/json"),
    ]:
        answer = client.post(f"/api/v1/{path}", content=body, headers=school.headers("teacher", Content_Type=kind))
        assert (answer.status_code, answer.json()["code"]) == (503, "busy"), path
        assert "数据目录" in answer.json()["detail"]
    ready = client.get("/readyz")
    assert ready.status_code == 503 and "data folder" in ready.json()["status"]
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    assert client.get("/readyz").status_code == 200
    assert client.post("/api/v1/repairs", json=REPAIR, headers=school.headers("teacher")).status_code == 201


# --- forms ---


@pytest.fixture
def hazards(tmp_path: Path, kind: Kind) -> Iterator[tuple[httpx.Client, School]]:
    runtime = a_runtime(tmp_path / "hazards", kind, catalog=CATALOG)
    with calling(create_app(runtime)) as client:
        yield client, a_school(runtime.database)
    runtime.close()


@pytest.mark.parametrize(
    "body, locale, told",
    [
        ({"place": "A"}, "zh", "隐患描述（title）：必须填写"),
        ({"title": "", "place": "A"}, "en", "What is wrong (title): needs at least 1 character(s)"),
        ({"title": "x", "place": "A", "source": "me"}, "zh", "来源（source）：只能是 'self_check'、'group'、"),
        ({"title": "x", "place": "A", "source": "me"}, "zh", "'anonymous'、'older_ledger' 之一"),
        ({"title": "x", "place": "A", "category": "NO"}, "en", "Category (category): "),
        ({"title": "x", "place": "A", "photos": ["x"]}, "zh", "整改前照片（photos.0）：格式不对"),
        ({"title": "x", "place": "A", "department": "NO"}, "zh", "责任部门（如知道）（department）：'NO' 不是本单位的部门"),
        ({"title": "x", "place": "A", "colour": "red"}, "zh", "colour：不是本表单的项目"),
    ],
)  # fmt: skip
def test_a_refused_form_calls_its_fields_by_their_labels(
    body: dict[str, Any], locale: str, told: str, hazards: tuple[httpx.Client, School]
) -> None:
    client, school = hazards
    answer = client.post("/api/v1/hazards", json=body, headers=school.headers("teacher", Accept_Language=locale))
    assert answer.status_code == 422
    assert told in answer.json()["obstacle"]
    assert " or " not in answer.json()["obstacle"] and "category There" not in answer.json()["obstacle"]


@pytest.mark.parametrize(
    "headers, body, named",
    [
        ({"If-Match": "7"}, {}, "If-Match"), ({"Idempotency-Key": "two words"}, {}, "Idempotency-Key"),
        ({}, {"found_at": "yesterday"}, "found_at"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("locale", ["zh", "en"])
def test_a_sentence_names_its_subject(
    headers: dict[str, str], body: dict[str, str], named: str, locale: str, client: httpx.Client, school: School
) -> None:
    headers = {**school.headers("teacher"), **headers, "Accept-Language": locale}
    answer = client.post("/api/v1/repairs/WX-2020-0001/fix", json=body, headers=headers)
    assert answer.status_code == 422 and answer.json()["obstacle"].startswith(named)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["repairs/%00", "repairs/WX-2020-0001%00/fix", "people/%00/grants", "channels/%00", "deliveries/%00", "%00"]
)
def test_an_address_with_a_nul_names_nothing(path: str, client: httpx.Client, school: School) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = client.request(method, f"/api/v1/{path}", headers=school.headers("teacher"))
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_address")


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/cases", "/api/v1/people/me", "/api/v1/repairs/WX-2020-0001"]
)  # fmt: skip
def test_a_head_is_a_get_without_its_body(path: str, client: httpx.Client, school: School) -> None:
    client.post("/api/v1/repairs", json=REPAIR, headers=school.headers("teacher"))
    got = client.get(path, headers=school.headers("auditor"))
    head = client.head(path, headers=school.headers("auditor"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("DELETE", "/api/v1/repairs", "GET, HEAD, POST"), ("PUT", "/api/v1/cases", "GET, HEAD"),
        ("GET", "/api/v1/repairs/WX-2020-0001/fix", "POST"), ("POST", "/healthz", "GET, HEAD"),
        ("PATCH", "/api/v1/repairs/WX-2020-0001", "GET, HEAD"),
    ],
)  # fmt: skip
def test_a_refused_method_is_told_all_that_are_taken(
    method: str, path: str, allowed: str, client: httpx.Client, school: School
) -> None:
    answer = client.request(method, path, headers=school.headers("teacher"))
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_an_unknown_filter_is_told_with_those_there_are(client: httpx.Client, school: School) -> None:
    answer = client.get("/api/v1/repairs?overdu=true&limit=3", headers=school.headers("teacher"))
    assert answer.json()["fields"][0]["field"] == "overdu"
    for name in ("overdue", "limit", "cursor", "q", "state"):
        assert name in answer.json()["obstacle"]
    named = client.get("/api/v1/repairs?state=gone", headers=school.headers("teacher")).json()
    assert "verified" in named["obstacle"] and named["fields"][0]["field"] == "state"


def test_the_openapi_document_says_what_is_answered(client: httpx.Client) -> None:
    document = client.get("/api/v1/openapi.json")
    assert "HTTPValidationError" not in document.text
    paths = document.json()["paths"]
    assert {"401", "413", "415", "422", "503"} <= set(paths["/api/v1/files"]["post"]["responses"])
    for path in ("/healthz", "/readyz"):
        assert paths[path]["get"]["security"] == []
    body = paths["/api/v1/people/me/inbox/read"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/MarkRead"}
    assert document.json()["components"]["schemas"]["MarkRead"]["additionalProperties"] is False
    listing = paths["/api/v1/repairs"]["get"]["parameters"]
    filters = {p["name"]: p["schema"] for p in listing if "name" in p}
    assert "workflow" not in filters and "date-time" in str(filters["due_before"])


def test_a_defect_is_logged_once(
    client: httpx.Client, runtime: Runtime, school: School, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.writer.must_be_in_place = lambda: 1 / 0  # type: ignore[method-assign,assignment]  # a defect
    answer = client.post("/api/v1/repairs", json=REPAIR, headers=school.headers("teacher"))
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
