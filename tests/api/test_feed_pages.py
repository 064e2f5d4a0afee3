"""The part of the calendar's page where links to it are made, shown and revoked."""

import re

import httpx

from api.bootstrap import Runtime
from tests.api.pages import Page, got, sign_in
from tests.builders import School, a_password

REVOKES = "/calendar/feeds/[0-9a-f]{16}/revoke"


def send(client: httpx.Client, action: str, page: Page, **fields: str) -> httpx.Response:
    """What pressing the button of this form sends, with these fields filled in."""
    address = next(form["action"] for form in page.forms if re.fullmatch(action, form["action"] or ""))
    return client.post(address, data={**page.form(action), **fields})


def test_the_page_makes_a_link_shows_it_and_revokes_it(client: httpx.Client, runtime: Runtime, school: School) -> None:
    a_password(runtime, school, "hqc_head")
    assert sign_in(client, "hqc_head").status_code == 303
    done = send(client, "/calendar/feeds", got(client, "/calendar"), department="HQC")
    assert (done.status_code, done.headers["location"]) == (303, "/calendar?done=made#feeds")
    text = client.get("/calendar?done=made").text
    [address] = re.findall(r'value="http://127\.0\.0\.1:8000(/feeds/[^"]+)"', text)
    assert f'href="webcal://127.0.0.1:8000{address}"' in text and "还没有读取过" in text
    assert client.get(address).headers["content-type"] == "text/calendar; charset=utf-8"
    page = got(client, "/calendar")
    assert "最近读取 2020年3月2日" in " ".join(page.words.split())
    done = send(client, REVOKES, page)
    assert (done.status_code, done.headers["location"]) == (303, "/calendar?done=revoked#feeds")
    assert client.get(address).status_code == 404
    assert not re.search(r'value="http[^"]*/feeds/', client.get("/calendar?done=revoked").text)


def test_the_page_offers_what_one_may_have_and_says_what_it_does_not_do(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_password(runtime, school, "hqc_head")
    sign_in(client, "hqc_head")
    page = got(client, "/calendar")
    offered = re.findall(r'<option value="(\w*)"', client.get("/calendar").text.partition('id="feeds"')[2])
    assert offered == ["", "HQC"]
    for department in ("XB1", "x" * 65):
        refused = send(client, "/calendar/feeds", page, department=department)
        assert refused.status_code == 422 and 'id="department-fault"' in refused.text
    gone = client.post("/calendar/feeds/none/revoke", data={"csrf": page.form("/calendar/feeds")["csrf"]})
    assert gone.status_code == 404 and "没有这个链接" in gone.text
    without_form_token = client.post("/calendar/feeds", data={"department": ""})
    assert without_form_token.status_code == 403


def test_where_the_key_was_lost_the_page_says_what_to_do(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_password(runtime, school, "teacher")
    sign_in(client, "teacher")
    send(client, "/calendar/feeds", got(client, "/calendar"))
    (runtime.folder.keys / "feeds").unlink()
    del runtime.feeds_key
    page = got(client, "/calendar")
    assert "链接仍可使用" in page.words and not any(address.startswith("webcal:") for address in page.addresses)
    assert page.form(REVOKES)
