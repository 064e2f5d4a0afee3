"""What a broken upload and a full disk leave behind: nothing, and a sentence that says why."""

import io
import re
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from api.bootstrap import Runtime
from api.problems import cannot_write
from tests.builders import School
from tests.databases import on_sqlite

REPAIR = {"title": "插座松动", "place": "A-101"}
ENGLISH = re.compile(r"[A-Za-z]{3,}")


# --- pictures --------------------------------------------------------------------------------------------------------


def a_picture(form: str, **options: Any) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((160, 120), 80).convert("RGB").save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize("form, options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_picture_that_broke_off_is_no_evidence(
    form: str, options: dict[str, Any], part: float, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    whole = a_picture(form, **options)
    headers = school.headers("teacher", Content_Type="image/jpeg")
    cut = client.post("/api/v1/files", content=whole[: int(len(whole) * part)], headers=headers)
    assert (cut.status_code, cut.json()["code"]) == (422, "invalid_input")
    assert list(runtime.folder.files.rglob("*")) == []
    assert client.post("/api/v1/files", content=whole, headers=headers).status_code == 201


def test_the_two_pictures_in_one_that_phones_make_are_a_jpeg(client: httpx.Client, school: School) -> None:
    content = io.BytesIO()
    first = Image.new("RGB", (16, 16), "red")
    first.save(content, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")])
    sent = client.post(
        "/api/v1/files", content=content.getvalue(), headers=school.headers("teacher", Content_Type="image/jpeg")
    )
    assert (sent.status_code, sent.json()["media_type"]) == (201, "image/jpeg")


@pytest.mark.parametrize("where", ["the bytes", "the row"])
def test_a_full_disk_is_a_503_and_leaves_nothing_half_written(
    where: str, client: httpx.Client, runtime: Runtime, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("api.evidence.store.os.fsync" if where == "the bytes" else "api.evidence.store.files.add", full)
    answer = client.post(
        "/api/v1/files", content=a_picture("PNG"), headers=school.headers("teacher", Content_Type="image/png")
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["obstacle"] == "磁盘已满"
    assert [path for path in runtime.folder.files.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "system", ["database or disk is full", "database is locked", "attempt to write a readonly database", "who knows"]
)
def test_why_it_cannot_be_written_is_told_in_chinese(system: str) -> None:
    assert not ENGLISH.search(cannot_write(RuntimeError(system)).sentence("zh"))


@on_sqlite
def test_a_database_that_takes_nothing_is_a_503_without_its_own_words(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    with runtime.database.write_across() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    headers = school.headers("teacher", Accept_Language="zh")
    answers = [client.post("/api/v1/repairs", json={**REPAIR, "title": "长" * 200}, headers=headers) for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused and {answer.status_code for answer in refused} == {503}
    assert refused[-1].json()["obstacle"] == "磁盘已满"
