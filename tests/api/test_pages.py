"""The pages: signing in and one's account, without a script, in words, and closed to what is foreign."""

import io
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from PIL import Image

from api.app import create_app
from api.bootstrap import Runtime
from api.pages.account import browser_of
from api.pages.rendering import MEDIA_TYPES, POLICY, own_address, static_files
from api.pages.words import WORDS
from engine.directory import Absence
from engine.store import people
from tests.api.pages import Page, got, sign_in
from tests.builders import PASSWORD, START, School, a_password, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling

NEW = "another phrase 77"
OWN_SCRIPT = (
    r'<script src="/static/\w+\.js\?v=\w+" defer>(?=</script>)'  # a file of ours, and nothing in the page itself
)


@pytest.fixture
def teacher(runtime: Runtime, school: School) -> School:
    a_password(runtime, school, "teacher")
    return school


@pytest.fixture
def english(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        client.headers["Accept-Language"] = "en"
        yield client


def send(client: httpx.Client, action: str, **fields: str) -> httpx.Response:
    """What pressing the button of a form on the account page sends."""
    page = got(client, "/account")
    [address] = [form["action"] for form in page.forms if re.fullmatch(action, form["action"])]
    return client.post(address, data={**page.form(action), **fields})


# --- a day at the pages --------------------------------------------------------------------------------------------------


def test_from_the_front_page_in_to_one_s_account_and_out_again(english: httpx.Client, teacher: School) -> None:
    assert english.get("/").headers["location"] == "/sign-in"
    answer = sign_in(english)
    assert (answer.status_code, answer.headers["location"]) == (303, "/mine")
    assert english.get("/").headers["location"] == "/mine"
    assert english.get("/sign-in").headers["location"] == "/mine"
    page = got(english, "/account")
    here = START.astimezone(ZoneInfo("Asia/Shanghai"))
    assert f"here it is {here:%Y-%m-%d %H:%M}" in page.words, "simulated time is told as the school has it"
    for word in ("教师", "teacher", "My account", "Sample school", "everywhere", "Nobody is represented by me"):
        assert word in page.words
    out = english.post("/sign-out", data=page.form("/sign-out"))
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert english.get("/account").headers["location"] == "/sign-in?next=%2Faccount"
    assert english.get("/mine").headers["location"] == "/sign-in"


def test_a_wrong_password_is_told_on_the_form_and_what_was_typed_stays_but_the_password(
    english: httpx.Client, teacher: School
) -> None:
    answer = sign_in(english, password="hunter2-hunter2")
    assert answer.status_code == 401
    page = Page(answer.text)
    assert "account and password do not belong together" in page.words
    assert page.form("/sign-in")["account"] == "teacher"
    assert "hunter2" not in answer.text
    for _ in range(4):
        sign_in(english, password="hunter2-hunter2")
    resting = sign_in(english)
    assert (resting.status_code, resting.headers["retry-after"]) == (429, "30")
    assert "Try again in 30 seconds" in Page(resting.text).words


def test_the_page_asks_for_the_organisation_only_where_there_are_several(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    assert "organisation" not in got(client, "/sign-in").form("/sign-in")
    a_school(runtime.database, "south")
    assert "organisation" in got(client, "/sign-in").form("/sign-in")
    assert sign_in(client, organisation="school").status_code == 303


def test_a_password_somebody_else_set_is_changed_before_anything_is_shown(
    english: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_password(runtime, school, "teacher", must_change=True)
    assert sign_in(english, next="/somewhere").headers["location"] == "/account"
    assert english.get("/mine").headers["location"] == "/account"
    page = got(english, "/account")
    assert "Somebody else set your password" in page.words and "API tokens" not in page.words
    for address in ("/account/tokens", "/account/sessions/end-others"):
        refused = english.post(address, data=page.form("/sign-out"))
        assert refused.status_code == 403 and "Somebody else set" in refused.text.replace("somebody", "Somebody")
    twice = send(english, "/account/password", old=PASSWORD, new=NEW, again=NEW + "x")
    assert twice.status_code == 422 and "typed in two ways" in twice.text
    done = send(english, "/account/password", old=PASSWORD, new=NEW, again=NEW)
    assert (done.status_code, done.headers["location"]) == (303, "/account?done=password")
    assert "The password is changed" in got(english, "/account?done=password").words
    assert "API tokens" in got(english, "/account").words


def test_sessions_are_listed_and_ended_by_buttons(english: httpx.Client, runtime: Runtime, teacher: School) -> None:
    sign_in(english)
    for _ in range(2):
        with calling(create_app(runtime)) as other:
            other.headers["User-Agent"] = "Mozilla/5.0 (Linux; Android 13) MicroMessenger/8.0"
            assert sign_in(other).status_code == 303
    page = got(english, "/account")
    assert page.words.count("微信 · Android") == 2 and page.words.count("this one") == 1
    names = [form["action"] for form in page.forms if form["action"].endswith("/end")]
    assert len(names) == 2, "the one that looks is ended by signing out"
    assert english.post(names[0], data=page.form("/sign-out")).headers["location"] == "/account?done=session"
    gone = english.post(names[0], data=page.form("/sign-out"))
    assert gone.status_code == 404 and "there is no session" in Page(gone.text).words
    assert send(english, "/account/sessions/end-others").status_code == 303
    assert "微信" not in got(english, "/account").words


def test_a_token_is_made_shown_once_and_revoked(english: httpx.Client, teacher: School) -> None:
    sign_in(english)
    made = send(english, "/account/tokens", label="figures", allows="read", days="7")
    found = re.search(r"bihuan_[\w-]{43}", made.text)
    assert made.status_code == 200 and found is not None
    assert english.get("/api/v1/people/me", headers={"Authorization": f"Bearer {found[0]}"}).status_code == 200
    page = english.get("/account")
    assert found[0] not in page.text and found[0][:12] in page.text and "2020-03-09" in page.text
    [address] = [f["action"] for f in Page(page.text).forms if f["action"] == f"/account/tokens/{found[0][:12]}/revoke"]
    assert english.post(address, data=Page(page.text).form("/sign-out")).status_code == 303
    assert english.get("/api/v1/people/me", headers={"Authorization": f"Bearer {found[0]}"}).status_code == 401
    assert "revoked" in got(english, "/account").words
    for wrong in (
        {"days": "for ever"},
        {"days": "0"},
        {"days": "99999"},
        {"allows": "everything"},
        {"label": "x" * 101},
    ):
        refused = send(english, "/account/tokens", **wrong)
        assert refused.status_code == 422 and 'role="alert"' in refused.text, wrong


# --- whose form it is ----------------------------------------------------------------------------------------------------


def test_a_form_of_another_browser_or_site_signs_nobody_in(runtime: Runtime, teacher: School) -> None:
    with calling(create_app(runtime)) as attacker, calling(create_app(runtime)) as victim:
        theirs = got(attacker, "/sign-in").form("/sign-in")
        body = {**theirs, "account": "teacher", "password": PASSWORD}
        for said in (body, {**body, "csrf": ""}, {**body, "csrf": "0" * 64}):
            without_cookie = victim.post("/sign-in", data=said)
            assert without_cookie.status_code == 403 and "bihuan=" not in str(
                without_cookie.headers.get_list("set-cookie")
            )
            victim.cookies.clear()
        got(victim, "/sign-in")
        assert victim.post("/sign-in", data=body).status_code == 403, "a token of another browser's form"
        own = {**body, "csrf": got(victim, "/sign-in").form("/sign-in")["csrf"]}
        foreign = victim.post("/sign-in", data=own, headers={"Origin": "http://evil.example"})
        assert foreign.status_code == 403 and foreign.headers["content-type"].startswith("text/html")
        assert victim.post("/sign-in", data=own).status_code == 303


@pytest.mark.parametrize(
    "action", ["/sign-out", "/account/password", "/account/tokens", "/account/sessions/end-others"]
)
def test_a_form_without_its_token_does_nothing(
    action: str, english: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    sign_in(english)
    with calling(create_app(runtime)) as other:
        sign_in(other)
        foreign = got(other, "/account").form("/sign-out")
    for fields in ({}, {"csrf": ""}, foreign):
        refused = english.post(action, data=fields)
        assert refused.status_code == 403 and refused.headers["content-type"].startswith("text/html")
        assert "Nothing changed" in Page(refused.text).words
    mine = got(english, "/account").form("/sign-out")
    cross = english.post(action, data=mine, headers={"Origin": "http://evil.example"})
    assert cross.status_code == 403
    assert got(english, "/account").words


@pytest.mark.parametrize(
    "content, media, status",
    [
        (b"csrf=%ff", None, 422), (b"csrf=a&csrf=b", None, 422), (b"a" * 30_000, None, 413), (b"&".join([b"a=1"] * 40), None, 422),
        ("账号".encode(), None, 422), (b"{}", "application/json", 415), (b"--x", "multipart/form-data; boundary=x", 415),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_read_is_refused_on_a_page(
    content: bytes, media: str | None, status: int, client: httpx.Client, teacher: School
) -> None:
    answer = client.post(
        "/sign-in", content=content, headers={"Content-Type": media or "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


# --- where it leads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, followed",
    [
        ("/account?done=token", True), ("/hazards/YH-2020-0001", True), ("//evil.example", False), ("/\\evil.example", False),
        ("https://evil.example", False), ("javascript:alert(1)", False), ("/\r\nSet-Cookie: a=b", False), ("account", False),
        ("/a\\b", False), ("/ab cd", False), ("", False), ("/\t/evil.example", False), ("/隐患", False), ("/" + "a" * 501, False),
    ],
)  # fmt: skip
def test_only_pages_of_ours_are_gone_on_to(said: str, followed: bool, client: httpx.Client, teacher: School) -> None:
    assert (own_address(said) == said) is followed
    answer = sign_in(client, next=said)
    assert (answer.status_code, answer.headers["location"]) == (303, said if followed else "/mine")
    assert not [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("a=")]


def test_who_is_not_signed_in_is_led_to_where_he_can_and_back(client: httpx.Client, teacher: School) -> None:
    led = client.get("/account?done=token")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=%2Faccount%3Fdone%3Dtoken")
    fields = got(client, led.headers["location"]).form("/sign-in")
    assert fields["next"] == "/account?done=token"
    assert sign_in(client, next=fields["next"]).headers["location"] == "/account?done=token"


def test_what_was_sent_after_the_session_was_over_is_said_to_be_lost(english: httpx.Client, teacher: School) -> None:
    sign_in(english)
    csrf = got(english, "/account").form("/account/password")["csrf"]
    english.cookies.clear()
    led = english.post("/report", data={"csrf": csrf, "title": "a loose handrail"})
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?unsent=1&next=%2Freport")
    page = got(english, led.headers["location"])
    assert "what you just sent was not taken" in page.words and page.form("/sign-in")["next"] == "/report"
    no_page = english.post("/account/tokens", data={"csrf": csrf})
    assert no_page.headers["location"] == "/sign-in?unsent=1", "there is nothing to look at"
    assert english.post("/sign-out", data={"csrf": csrf}).headers["location"] == "/sign-in"
    assert "not taken" not in got(english, "/sign-in").words


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "a b", '"><script>'])
def test_a_host_somebody_made_up_stands_in_no_answer(host: str, client: httpx.Client, teacher: School) -> None:
    for path in ("/", "/sign-in", "/account", "/nowhere"):
        answer = client.get(path, headers={"Host": host, "Accept": "text/html"})
        assert answer.status_code < 500
        assert host not in answer.text and host not in answer.headers.get("location", "")


# --- what it looks like to a browser -------------------------------------------------------------------------------------


def test_every_page_lets_nothing_foreign_in(english: httpx.Client, runtime: Runtime, teacher: School) -> None:
    sign_in(english)
    with calling(create_app(runtime)) as stranger:
        answers = [
            english.get("/account"), english.get("/"), stranger.get("/sign-in"), stranger.get("/account"),
            stranger.get("/nowhere", headers={"Accept": "text/html"}), english.post("/account/tokens", data={}),
            stranger.delete("/sign-in"), stranger.get("/sign-in?next=" + "a" * 700), english.post("/account/tokens/x/revoke"),
        ]  # fmt: skip
    for answer in answers:
        where = f"{answer.request.method} {answer.request.url}: {answer.status_code}"
        assert answer.headers["content-security-policy"] == POLICY, where
        assert answer.headers["x-content-type-options"] == "nosniff", where
        assert answer.headers["referrer-policy"] == "same-origin", where
        assert answer.headers["cache-control"] == "no-store", where
        assert "strict-transport-security" not in answer.headers, where
        if answer.status_code != 303:
            page = Page(answer.text)
            assert "style" not in page.tags, where
            assert re.findall(r"<script[^>]*>", answer.text) == re.findall(OWN_SCRIPT, answer.text), where
            assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in page.addresses), (
                where
            )
    assert {answer.status_code for answer in answers} == {200, 303, 403, 404, 405, 422}


def test_over_https_browsers_are_told_to_stay_there(tmp_path: Any, kind: Kind) -> None:
    runtime = a_runtime(tmp_path / "https", kind, public_url="https://bihuan.example.org")
    a_password(runtime, a_school(runtime.database), "teacher")
    with calling(create_app(runtime)) as client:
        client.base_url = httpx.URL("https://test")
        answer = sign_in(client)
        assert answer.status_code == 303
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))
        assert client.get("/account").status_code == 200
        body = got(client, "/account").form("/sign-out")
        assert client.post("/sign-out", data=body, headers={"Origin": "https://test"}).status_code == 403
        assert client.post("/sign-out", data=body, headers={"Origin": "https://bihuan.example.org"}).status_code == 303
    runtime.close()


def test_what_people_are_called_is_shown_as_text(english: httpx.Client, runtime: Runtime, teacher: School) -> None:
    with runtime.database.write_across() as connection:
        connection.exec_driver_sql("UPDATE person SET name = '<img src=x onerror=alert(1)>', post = '\"><script>'")
    sign_in(english)
    text = english.get("/account").text
    assert "&lt;img src=x" in text and "<img src=x" not in text and "<script>" not in text
    again = english.post("/sign-in", data={"account": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>" not in again.text


@pytest.mark.parametrize("locale, heading, other", [("zh", "登录", "en"), ("en", "Sign in", "zh")])
def test_a_page_speaks_the_reader_s_language_and_he_may_choose_the_other(
    locale: str, heading: str, other: str, client: httpx.Client, school: School
) -> None:
    client.headers["Accept-Language"] = locale
    answer = client.get("/sign-in?next=%2Fmine")
    assert f"<h1>{heading}</h1>" in answer.text
    [chooses] = [address for address in Page(answer.text).addresses if address.startswith("/language/")]
    chosen = client.get(chooses)
    assert chooses.startswith(f"/language/{other}?") and chosen.headers["location"] == "/sign-in?next=%2Fmine"
    assert client.get("/sign-in").headers["content-language"] == other
    assert client.get("/language/fr").status_code == 422
    assert client.get(f"/language/{other}?next=//evil.example").headers["location"] == "/"


def test_all_words_of_the_pages_stand_in_both_languages() -> None:
    for name, text in WORDS.items():
        assert text.zh and text.en, name
        assert re.search(r"[一-鿿]", text.zh) and not re.search(r"[一-鿿]", text.en), name


def test_static_files_are_those_there_are_and_kept_by_browsers(client: httpx.Client, teacher: School) -> None:
    sign_in(client)
    linked = [address for address in got(client, "/mine").addresses if address.startswith("/static/")]
    linked += [icon["src"] for icon in client.get("/manifest.webmanifest").json()["icons"]]
    assert {address.split("#")[0].split("?")[0].rsplit("/", 1)[1] for address in linked} | {
        "labels.css",  # of the sheet that is printed
        "paper.css",  # of papers, on the screen and printed
    } == set(static_files())
    for address in linked:
        answer = client.get(address)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"] in MEDIA_TYPES.values()
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        packed = None if answer.headers["content-type"] == "image/png" else "gzip"
        assert "content-encoding" not in plain.headers and answer.headers.get("content-encoding") == packed
        assert plain.content == answer.content
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (
            b"http://" not in answer.content.replace(b"http://www.w3.org/2000/svg", b"")
            and b"https://" not in answer.content
        )


def test_a_phone_finds_icons_of_the_sizes_it_needs_to_keep_the_desk(client: httpx.Client, teacher: School) -> None:
    manifest = client.get("/manifest.webmanifest").json()
    assert {manifest[name] for name in ("start_url", "scope", "display")} == {"/mine", "/", "standalone"}
    told = {(icon["sizes"], icon["purpose"]): icon for icon in manifest["icons"]}
    assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= set(told)
    for (sizes, purpose), icon in told.items():
        answer = client.get(icon["src"])
        assert answer.headers["content-type"] == icon["type"] and len(answer.content) < 25_000
        if icon["type"] == "image/png":
            picture = Image.open(io.BytesIO(answer.content))
            assert f"{picture.width}x{picture.height}" == sizes
            corner = picture.convert("RGBA").getpixel((0, 0))
            assert isinstance(corner, tuple) and (corner[3] == 255) is (purpose == "maskable"), (
                "none cut out shows through"
            )
    apple = next(a for a in got(client, "/sign-in").addresses if "apple-touch-icon" in a)
    assert Image.open(io.BytesIO(client.get(apple).content)).size == (180, 180)


def test_a_simulated_folder_says_so_on_its_pages(client: httpx.Client, school: School) -> None:
    at_the_school = START.astimezone(ZoneInfo("Asia/Shanghai"))
    assert f"{at_the_school:%Y-%m-%d %H:%M}" in got(client, "/sign-in").words


def test_whom_one_may_act_for_stands_on_one_s_account(english: httpx.Client, runtime: Runtime, teacher: School) -> None:
    with runtime.database.write_across() as connection:
        away = Absence("a", "safety_head", START.date(), START.date(), "teacher")
        people.add_absence(connection, "school", away)
    sign_in(english)
    words = got(english, "/account").words
    assert "for 安稳办主任" in words


def test_an_account_read_with_a_token_has_no_buttons(client: httpx.Client, teacher: School) -> None:
    answer = client.get("/account", headers=teacher.headers("teacher"))
    assert answer.status_code == 200 and Page(answer.text).forms == []


@pytest.mark.parametrize(
    "agent, shown",
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", "Edge · Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1", "Safari · iPhone"),
        ("curl/8.0", "curl"), ("", "—"), ("Something Else", "Something Else"),
    ],
)  # fmt: skip
def test_a_browser_is_called_as_people_know_it(agent: str, shown: str) -> None:
    assert browser_of(agent) == shown
