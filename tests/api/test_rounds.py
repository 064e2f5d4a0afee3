"""A round's page, what the pages' script asks for, and the claim of a form that could not be sent at once."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.pages.rendering import KEEP, static_files
from engine.store import history
from tests.api.pages import Page, got, sign_in
from tests.browser.desk import Desk
from tests.browser.tour import OFFICE, a_round_of
from tests.databases import Kind
from tests.journeys.campus import SCHOOL, Campus, a_campus
from tests.pictures import a_photo


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as opened:
        Desk(opened, "").let_in("xb1_safety", "teacher", "officer")
        opened.client.headers["Accept-Language"] = "zh"
        yield opened


def at(campus: Campus, who: str) -> httpx.Client:
    campus.client.cookies.clear()
    assert sign_in(campus.client, who).status_code == 303
    return campus.client


def hidden(page: Page, action: str) -> dict[str, str]:
    """The fields that tie a form to its browser and its intention."""
    return {name: value for name, value in page.form(action).items() if name in {"csrf", "key", "sent", "revision"}}


def verdicts(**others: str) -> dict[str, str]:
    said = {f"answers.{code}.result": "pass" for code in OFFICE}
    return said | {f"answers.{name.replace('_', '.')}": value for name, value in others.items()}


def events(campus: Campus, number: str) -> list[Any]:
    with campus.runtime.database.read(SCHOOL) as connection:
        return list(history.events_of(connection, SCHOOL, number))


# --- a round -------------------------------------------------------------------------------------------------------------


def test_a_round_is_handed_in_once_however_often_the_same_form_arrives(campus: Campus) -> None:
    number = a_round_of(campus, "XB1")
    client, address = at(campus, "xb1_safety"), f"/cases/{number}/submit"
    form = {**hidden(got(client, address), address), **verdicts(), "summary": "零报告"}
    assert "revision" not in form  # a reminder meanwhile is no reason to refuse it
    answers = [client.post(address, data=form) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303] * 3
    assert sum(event.trigger == "submit" for event in events(campus, number)) == 1


def test_each_item_says_what_it_still_needs(campus: Campus) -> None:
    number = a_round_of(campus, "XB1")
    client, address = at(campus, "xb1_safety"), f"/cases/{number}/submit"
    said = verdicts(office_01_result="fail", office_02_result="na", office_04_result="")
    del said["answers.office.03.result"]
    answer = client.post(address, data={**hidden(got(client, address), address), **said, "summary": "x"})
    assert answer.status_code == 409
    words = Page(answer.text).words
    assert words.count("还没有填写") == 2
    for needed in ("请写明问题", "请写明不适用的理由", "这一项不合格须拍照"):
        assert words.count(needed) == 1


def test_a_picture_of_what_passed_after_all_is_left_out(campus: Campus) -> None:
    number = a_round_of(campus, "XB1")
    client, address = at(campus, "xb1_safety"), f"/cases/{number}/submit"
    form = {**hidden(got(client, address), address), **verdicts(), "summary": "零报告"}
    picture = {"photos.office.01": ("a.jpg", a_photo(), "image/jpeg")}
    assert client.post(address, data=form, files=picture).status_code == 303
    assert campus.get("officer", f"/api/v1/inspections/{number}")["facts"]["photos"] == {}


def test_a_zero_report_is_written_by_its_button_and_never_over_a_finding(campus: Campus) -> None:
    number = a_round_of(campus, "XB1")
    client, address = at(campus, "xb1_safety"), f"/cases/{number}/submit"
    form = {**hidden(got(client, address), address), "zero": "1"}
    assert (
        "零报告：检查表 10 项"
        in client.post(address, data={**form, **verdicts()}).text.split('<textarea id="f-summary"')[1]
    )
    failed = client.post(address, data={**form, **verdicts(office_02_result="fail")}).text
    assert "零报告：检查表" not in failed.split('<textarea id="f-summary"')[1].split("</textarea>")[0]
    assert not any(event.trigger == "submit" for event in events(campus, number))


def test_a_round_that_was_sent_back_opens_with_what_was_answered(campus: Campus) -> None:
    number = a_round_of(campus, "XB1")
    path = f"/api/v1/inspections/{number}"
    every = {code: {"result": "pass"} for code in OFFICE} | {OFFICE[1]: {"result": "na", "note": "没有灭火器"}}
    campus.done("xb1_safety", f"{path}/submit", answers=every, summary="已查")
    campus.done("xb1_head", f"{path}/send_back", reason="第二项不对")
    page = got(at(campus, "xb1_safety"), f"/cases/{number}/submit")
    assert "没有灭火器" in page.words


# --- the claim -----------------------------------------------------------------------------------------------------------


def test_a_form_that_waited_says_when_it_was_filled_in(campus: Campus) -> None:
    client, found = at(campus, "teacher"), campus.runtime.clock.now() - timedelta(hours=3)
    form = {
        **hidden(got(client, "/report"), "/report"),
        "title": "插座松动",
        "place": "实训楼",
        "found_at": found.isoformat(),
    }
    answer = client.post("/report", data=form)
    number = answer.headers["location"].split("/")[2].split("?")[0]
    [opened] = events(campus, number)
    assert opened.found_at == found < opened.recorded_at


@pytest.mark.parametrize("claimed", ["yesterday", "2020-03-02T08:00:00", "9" * 400])
def test_a_claim_that_is_no_instant_is_refused_on_the_form(campus: Campus, claimed: str) -> None:
    client = at(campus, "teacher")
    form = {**hidden(got(client, "/report"), "/report"), "title": "插座松动", "place": "实训楼", "found_at": claimed}
    answer = client.post("/report", data=form)
    assert answer.status_code == 422
    assert "插座松动" in answer.text


# --- what the script asks ----------------------------------------------------------------------------------------------------


def test_the_desk_says_whose_it_is_and_gives_a_token_his_forms_may_carry(campus: Campus) -> None:
    client = at(campus, "teacher")
    told = client.get("/desk/token").json()
    assert told["desk"] == f"{SCHOOL}/teacher"
    assert told["csrf"] == got(client, "/report").form("/report")["csrf"]
    client.cookies.clear()
    assert client.get("/desk/token").headers["location"].startswith("/sign-in")


def test_a_category_is_suggested_for_words_and_begins_the_form_of_whoever_grades(campus: Campus) -> None:
    client = at(campus, "teacher")
    [first, *_] = client.get("/report/suggest", params={"words": "墙上的插座松了"}).json()
    assert (first["category"], first["title"]) == ("ELEC.use", "插座与用电设备")
    assert client.get("/report/suggest", params={"words": "你好"}).json() == []
    number = campus.done("teacher", "/api/v1/hazards", title="墙上的插座松了", place="三楼")["number"]
    text = at(campus, "officer").get(f"/cases/{number}/assign").text
    assert '<option value="ELEC.use" selected>' in text and "按上报文字建议" in text
    known = campus.done("teacher", "/api/v1/hazards", title="墙上的插座松了", place="四楼", category="FIRE.exit")[
        "number"
    ]
    text = campus.client.get(f"/cases/{known}/assign").text
    assert '<option value="FIRE.exit" selected>' in text and "按上报文字建议" not in text


def test_only_pages_that_may_be_kept_say_so_and_whose_they_are(campus: Campus) -> None:
    number = a_round_of(campus, "XB1")
    client = at(campus, "xb1_safety")
    kept = {client.get(path).headers.get(KEEP) for path in ("/mine", "/report", f"/cases/{number}/submit")}
    assert len(kept) == 1 and None not in kept
    for path in (f"/cases/{number}", "/inbox", "/account", "/report?place=x", "/cases/JC-2020-9999"):
        assert KEEP not in client.get(path).headers, path


def test_the_worker_keeps_every_file_of_ours_and_is_asked_for_anew(campus: Campus) -> None:
    answer = campus.client.get("/service-worker.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    files = json.loads(answer.text.split("const FILES = ")[1].split(";\n")[0])
    kept = {name for name in static_files() if not name.endswith(".png")}  # icons are the home screen's
    assert {name.split("/")[2].split("?")[0] for name in files} == kept
    assert all(campus.client.get(name).status_code == 200 for name in files)
    for name in ("Set-Cookie", KEEP):
        assert name not in answer.headers


@pytest.mark.parametrize("language, name", [("zh", "闭环"), ("en", "Bihuan")])
def test_the_desk_can_be_put_on_the_home_screen(campus: Campus, language: str, name: str) -> None:
    answer = campus.client.get("/manifest.webmanifest", headers={"Accept-Language": language})
    told = answer.json()
    assert (told["name"], told["start_url"], told["display"]) == (name, "/mine", "standalone")
    assert all(campus.client.get(icon["src"]).status_code == 200 for icon in told["icons"])


@pytest.mark.parametrize(
    "base, public, says",
    [
        ("http://127.0.0.1:8000", None, False), ("http://localhost", None, False), ("http://10.0.0.7:8000", None, True),
        ("http://bihuan.example", "https://bihuan.example", False), ("https://bihuan.example", None, False),
    ],
)  # fmt: skip
def test_the_report_page_says_where_nothing_works_offline_and_why(
    tmp_path: Path, base: str, public: str | None, says: bool
) -> None:
    with a_campus(tmp_path, "sqlite", public_url=public) as campus:
        Desk(campus, "").let_in("teacher")
        campus.client.base_url = httpx.URL(base)
        page = campus.client.get("/report", headers={**campus.headers("teacher"), "Accept": "text/html"})
        assert ("本站没有启用 HTTPS" in page.text) is says
