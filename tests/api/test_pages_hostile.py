"""The desk's pages under hostile hands: script in every text, forms of other sites, steps that are not one's own."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.api.pages import Page, got, sign_in
from tests.databases import Kind
from tests.fakes import written_down
from tests.journeys.campus import PHOTO, Campus, a_campus
from workflows.reference import criteria_for

SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as made:
        made.let_in("teacher", "officer", "fixer", "head")
        yield made


def signed_in(campus: Campus, who: str) -> httpx.Client:
    campus.client.cookies.clear()
    assert sign_in(campus.client, who).status_code == 303
    return campus.client


def must_be_harmless(text: str) -> None:
    """Nothing that was typed became markup: every tag is one of ours, and none of them acts by itself."""
    page = Page(text)  # which refuses handlers and styles
    assert "script" not in page.tags or "alert" not in "".join(re.findall(r"<script[^>]*>[^<]*", text))
    assert not re.search(r"<(img|script)[^>]*(onerror|alert)", text)


def test_a_link_fills_in_answers_and_no_key(campus: Campus) -> None:
    """Whoever made the link would know by which key it is sent, and a second report by it would be refused."""
    form = got(signed_in(campus, "teacher"), "/report?title=lamp&key=chosen-elsewhere").form("/report")
    assert form["title"] == "lamp" and form["key"] not in ("", "chosen-elsewhere")


def test_a_step_for_many_waits_on_no_phone(campus: Campus) -> None:
    """What becomes of each is told at once; the pages' script would send it later, and unseen."""
    number = campus.hazard("fixed").rpartition("/")[2]
    answer = signed_in(campus, "officer").get(f"/cases/bulk/verify?number={number}")
    assert answer.status_code == 200 and "card asked" in answer.text and "card drawn" not in answer.text


def test_a_script_in_every_text_of_a_hazard_is_shown_as_text_on_every_page(campus: Campus) -> None:
    client = signed_in(campus, "teacher")
    form = got(client, "/report").form("/report")
    sent = client.post(
        "/report", data={**form, "title": f"灯 {SCRIPT}", "place": f"楼 {SCRIPT}", "details": SCRIPT * 3}
    )
    assert sent.status_code == 303, sent.text
    number = sent.headers["location"].split("/")[2].split("?")[0]
    path = f"/api/v1/hazards/{number}"
    criteria = {c.code: False for c in criteria_for("ELEC.wire")}
    campus.done(
        "officer", f"{path}/assign", category="ELEC.wire", criteria=criteria, department="HQC", assignee="fixer",
        time_limit="days7", requirement=SCRIPT, interim=SCRIPT,
    )  # fmt: skip
    campus.done("fixer", f"{path}/fix", measure=SCRIPT, photos_after=[PHOTO], spent=SCRIPT[:90])
    pages = (
        "/mine",
        f"/cases/{number}",
        f"/cases/{number}/verify",
        f"/cases/{number}/return",
        f"/cases/{number}?done=opened",
        "/cases?columns=place",
        f"/cases/bulk?number={number}",
        f"/cases/bulk/verify?number={number}",
        "/trail",
    )
    for who in ("officer", "teacher"):
        client = signed_in(campus, who)
        for page in pages:
            answer = client.get(page)
            assert answer.status_code in (200, 403, 409), page
            must_be_harmless(answer.text)
    assert "&lt;script&gt;" in client.get(f"/cases/{number}").text


@pytest.mark.parametrize(
    "path",
    ["/report?title={0}&place={0}&category={0}", "/open/{0}", "/cases/{0}", "/cases/YH-2020-0001/{0}", "/inbox?after={0}",
     "/sign-in?next={0}", "/mine?{0}={0}", "/cases/YH-2020-0001?done={0}", "/cases?q={0}", "/cases?assignee={0}&department={0}",
     "/cases?columns={0}", "/cases/views?query=q%3D{0}", "/cases/views?query={0}", "/cases/bulk?number={0}&done={0}",
     "/cases/bulk/{0}?number={0}", "/trail?case={0}&person={0}&action={0}", "/trail?by={0}"],
)  # fmt: skip
def test_a_script_in_an_address_comes_back_as_text(path: str, campus: Campus) -> None:
    client = signed_in(campus, "officer")
    answer = client.get(path.format(httpx.QueryParams({"x": SCRIPT})["x"].replace("/", "%2F")))
    assert answer.status_code in (200, 303, 404, 422)
    must_be_harmless(answer.text)


def test_no_page_changes_anything_without_the_token_of_its_form(campus: Campus) -> None:
    client = signed_in(campus, "officer")
    posted = {
        route.path
        for route in written_down(campus.app)
        if "POST" in (route.methods or ()) and not route.path.startswith("/api/")
    }
    assert {"/report", "/cases/{number}/{trigger}", "/open/{loop}", "/inbox/read", "/account/tokens"} <= posted
    for path in sorted(posted - {"/sign-in", "/setup", "/q/{token}"}):  # forms of strangers have tests of their own
        address = re.sub(r"{\w+}", "x", path)
        for fields in ({}, {"csrf": "0" * 64}):
            answer = client.post(address, data={"title": "t", **fields})
            assert answer.status_code == 403, (path, answer.status_code)
        cross = client.post(address, data={}, headers={"Sec-Fetch-Site": "cross-site"})
        assert cross.status_code == 403, path


def test_a_form_with_pictures_of_a_stranger_is_not_even_read(campus: Campus) -> None:
    campus.client.cookies.clear()
    for path in ("/report", "/cases/YH-2020-0001/fix"):
        answer = campus.client.post(path, files={"photos": ("a.jpg", b"x" * 1_000_000, "image/jpeg")})
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            f"/sign-in?unsent=1&next={quote(path, safe='')}",
        )


def test_what_is_not_one_s_own_step_is_refused_in_words_and_changes_nothing(campus: Campus) -> None:
    path = campus.hazard("fixed")
    number, before = path.rsplit("/", 1)[1], campus.record(path)
    client = signed_in(campus, "fixer")
    page = client.get(f"/cases/{number}/verify")
    assert page.status_code == 200 and f"/cases/{number}/verify" not in [f["action"] for f in Page(page.text).forms]
    csrf = got(client, "/mine").form("/sign-out")["csrf"]
    refused = client.post(f"/cases/{number}/verify", data={"csrf": csrf, "finding": "好"})
    assert refused.status_code == 403 and "整改" in Page(refused.text).words
    gone = client.post(f"/cases/{number}/nothing", data={"csrf": csrf})
    assert gone.status_code == 404
    assert campus.record(path) == before


def test_a_second_press_is_the_same_step_and_an_older_page_is_told_so(campus: Campus) -> None:
    path = campus.hazard("fixed")
    number = path.rsplit("/", 1)[1]
    client = signed_in(campus, "officer")
    form = got(client, f"/cases/{number}/verify").form(f"/cases/{number}/verify")
    stale = {**form, "key": "another-key", "revision": str(int(form["revision"]) - 1)}
    moved = client.post(f"/cases/{number}/verify", data={**stale, "finding": "灯亮"})
    assert moved.status_code == 412 and "灯亮" in moved.text
    for nonsense in ("abc", "1.0", "-1", "9" * 12):  # taken for none, it would have looked at nothing
        garbled = client.post(
            f"/cases/{number}/verify", data={**form, "key": "third-key", "revision": nonsense, "finding": "灯亮"}
        )
        assert garbled.status_code == 422 and "灯亮" in garbled.text, nonsense
    pressed = [client.post(f"/cases/{number}/verify", data={**form, "finding": "灯亮"}) for _ in range(2)]
    assert [answer.status_code for answer in pressed] == [303, 303]
    assert [e["trigger"] for e in campus.get("officer", f"{path}/events")["items"]].count("verify") == 1


def test_a_form_whose_key_was_used_for_something_else_is_given_another(campus: Campus) -> None:
    client = signed_in(campus, "teacher")
    form = got(client, "/report").form("/report")
    said = {"place": "教学楼", "title": "灯不亮"}
    assert client.post("/report", data={**form, **said}).status_code == 303
    refused = client.post("/report", data={**form, **said, "title": "插座松动"})
    again = Page(refused.text).form("/report")
    assert refused.status_code == 422 and again["title"] == "插座松动" and again["key"] != form["key"]
    assert client.post("/report", data=again).status_code == 303
