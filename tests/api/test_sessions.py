"""Sessions, their cookies and forms; passwords changed and reset; tokens that may little, and not for ever."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.bootstrap import Runtime
from api.directory import Editor, update
from engine.actor import Grant
from engine.clock import SimulatedClock
from engine.directory import Absence
from engine.store import accounts, people
from tests.builders import PASSWORD, START, School, a_password, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from workflows.roles import ADMINISTRATOR

ME = "/api/v1/people/me"
NEW = "another phrase 77"


@dataclass
class Browser:
    """A client with its own cookies, and the token its pages carry."""

    client: httpx.Client
    csrf: str

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(f"/api/v1{path}", headers={"Accept-Language": "en", **headers})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        said = {"Accept-Language": "en", "X-CSRF-Token": self.csrf, **headers}
        return self.client.request(method, f"/api/v1{path}", json=body, headers=said)

    @property
    def value(self) -> str:
        return self.client.cookies["bihuan"]


class Browsers:
    """Opens browsers that sign in, and closes them."""

    def __init__(self, runtime: Runtime, school: School) -> None:
        self.runtime, self.school = runtime, school
        self._app = create_app(runtime)
        self._open: list[Any] = []

    def of(self, person: str, *, password: str = PASSWORD, organisation: str = "school", **headers: Any) -> Browser:
        opening = calling(self._app)
        client = opening.__enter__()
        self._open.append(opening)
        with self.runtime.database.read_across() as connection:
            known = accounts.password(connection, organisation, person)
        if known is None:
            a_password(self.runtime, School(organisation), person, password)
        body = {"account": person, "password": password, "organisation": organisation}
        answer = client.post("/api/v1/sign-in", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return Browser(client, answer.json()["csrf"])

    def close(self) -> None:
        for opening in self._open:
            opening.__exit__(None, None, None)


@pytest.fixture
def browsers(runtime: Runtime, school: School) -> Iterator[Browsers]:
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "principal", Grant(ADMINISTRATOR))
    made = Browsers(runtime, school)
    yield made
    made.close()


def pass_by(runtime: Runtime, **time: float) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(**time))


def changes(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.database.read_across() as connection:
        return people.changes(connection, "school")


# --- cookies -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "public_url, name, secure",
    [(None, "bihuan", False), ("http://bihuan.example.org", "bihuan", False), ("https://bihuan.example.org", "__Host-bihuan", True)],
)  # fmt: skip
def test_a_cookie_is_for_this_server_and_no_script(
    public_url: str | None, name: str, secure: bool, tmp_path: Any, kind: Kind
) -> None:
    runtime = a_runtime(tmp_path / "other", kind, public_url=public_url)
    a_password(runtime, a_school(runtime.database), "teacher")
    with calling(create_app(runtime)) as client:
        answer = client.post("/api/v1/sign-in", json={"account": "teacher", "password": PASSWORD})
        document = client.get("/api/v1/openapi.json").json()
    runtime.close()
    session, device = answer.headers.get_list("set-cookie")
    assert session.startswith(f"{name}=") and device.startswith(f"{name}_device=")
    for cookie in (session, device):
        flags = {flag.strip().lower() for flag in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= flags
        assert ("secure" in flags) is secure
        assert not any(flag.startswith("domain") for flag in flags)
    assert len(session.split(";")[0].split("=", 1)[1]) == 43, "256 random bits"
    assert ("strict-transport-security" in answer.headers) is secure
    assert document["components"]["securitySchemes"]["session"]["name"] == name


def test_a_value_planted_before_signing_in_is_worth_nothing_afterwards(runtime: Runtime, browsers: Browsers) -> None:
    a_password(runtime, browsers.school, "teacher")
    planted = "A" * 43
    with calling(create_app(runtime)) as client:
        client.cookies.set("bihuan", planted, domain="test.local", path="/")
        answer = client.post(
            "/api/v1/sign-in",
            json={"account": "teacher", "password": PASSWORD},
            headers={"Cookie": f"bihuan={planted}"},
        )
        assert answer.status_code == 200 and planted not in str(answer.headers.get_list("set-cookie"))
        assert client.get(ME, headers={"Cookie": f"bihuan={planted}"}).status_code == 401


def test_signing_in_again_ends_the_session_the_browser_had(browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    first = browser.value
    again = browser.client.post("/api/v1/sign-in", json={"account": "teacher", "password": PASSWORD})
    assert again.status_code == 200 and browser.value != first
    with calling(browsers._app) as other:
        assert other.get(ME, headers={"Cookie": f"bihuan={first}"}).status_code == 401


def test_what_one_person_was_shown_is_kept_by_no_proxy(browsers: Browsers) -> None:
    assert browsers.of("teacher").get("/worklist").headers["cache-control"] == "private, no-store"


# --- ends ----------------------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_at_the_server(browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    kept = browser.value
    answer = browser.send("POST", "/sign-out")
    assert answer.json() == {"signed_out": True}
    assert 'bihuan=""' in answer.headers["set-cookie"]
    with calling(browsers._app) as thief:
        refused = thief.get(ME, headers={"Cookie": f"bihuan={kept}", "Accept-Language": "en"})
        assert refused.status_code == 401 and "no longer signed in" in refused.json()["detail"]


def test_a_session_ends_when_it_is_idle_and_at_its_end(runtime: Runtime, browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    for _ in range(14 * 24 // 11):
        pass_by(runtime, hours=11)
        if browser.get("/people/me").status_code != 200:
            break
    assert runtime.clock.now() - START == timedelta(hours=16 * 11), "a week after signing in, however busy"
    idle = browsers.of("teacher")
    pass_by(runtime, hours=12)
    assert idle.get("/people/me").status_code == 401


def test_reading_writes_a_session_s_use_down_once_a_minute(runtime: Runtime, browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    seen = []
    for seconds in (10, 40, 20, 50):
        pass_by(runtime, seconds=seconds)
        browser.get("/people/me")
        with runtime.database.read_across() as connection:
            seen.append(connection.exec_driver_sql("SELECT seen_at FROM session").scalar_one())
    assert len(set(seen)) == 2


def test_whoever_is_deactivated_is_signed_out_at_once_and_stays_so(runtime: Runtime, browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    editor = Editor(runtime.database, "school", "cli", runtime.clock.now())
    update(editor, "teacher", {"active": False})
    assert browser.get("/people/me").status_code == 401
    update(editor, "teacher", {"active": True})
    assert browser.get("/people/me").status_code == 401, "coming back opens no session of before"
    assert browsers.of("teacher").get("/people/me").status_code == 200


def test_sessions_long_over_are_swept(runtime: Runtime, browsers: Browsers) -> None:
    browsers.of("teacher")
    pass_by(runtime, days=36)
    runtime.sweep()
    with runtime.database.read_across() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar_one() == 1
    pass_by(runtime, days=2)
    runtime.sweep()
    with runtime.database.read_across() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar_one() == 0


# --- listed and revoked --------------------------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended_one_by_one_or_all_the_others(browsers: Browsers) -> None:
    phone, office, home = (browsers.of("teacher", **{"User-Agent": agent}) for agent in ("phone", "office", "home"))
    listed = home.get("/people/me/sessions").json()["items"]
    assert sorted(item["agent"] for item in listed) == ["home", "office", "phone"]
    assert [item["agent"] for item in listed if item["current"]] == ["home"]
    assert all(b.value not in str(listed) for b in (phone, office, home)), "a list opens nothing"
    [its] = [item["session"] for item in listed if item["agent"] == "phone"]
    assert home.send("DELETE", f"/people/me/sessions/{its}").json() == {"ended": 1}
    assert phone.get("/people/me").status_code == 401
    assert home.send("DELETE", f"/people/me/sessions/{its}").status_code == 404
    assert home.send("DELETE", "/people/me/sessions").json() == {"ended": 1}
    assert (office.get("/people/me").status_code, home.get("/people/me").status_code) == (401, 200)


def test_an_administrator_ends_somebody_s_sessions_on_record_and_nobody_else_does(
    runtime: Runtime, browsers: Browsers
) -> None:
    teacher, principal, head = (browsers.of(person) for person in ("teacher", "principal", "safety_head"))
    assert head.get("/people/teacher/sessions").status_code == 403
    assert head.send("DELETE", "/people/teacher/sessions").status_code == 403
    [item] = principal.get("/people/teacher/sessions").json()["items"]
    assert principal.send("DELETE", f"/people/teacher/sessions/{item['session']}").json() == {"ended": 1}
    assert teacher.get("/people/me").status_code == 401
    [change] = changes(runtime)
    assert (change["what"], change["by"], change["about"]) == ("signed_out", "person:principal", {"person": "teacher"})


def test_sessions_of_another_school_are_out_of_sight_and_reach(runtime: Runtime, browsers: Browsers) -> None:
    a_school(runtime.database, "south")
    theirs = browsers.of("teacher", organisation="south")
    [shown] = theirs.get("/people/me/sessions").json()["items"]
    mine, principal = browsers.of("teacher"), browsers.of("principal")
    assert shown["session"] not in mine.get("/people/me/sessions").text
    assert shown["session"] not in principal.get("/people/teacher/sessions").text
    for person, browser in (("me", mine), ("teacher", principal), ("teacher@south", principal)):
        assert browser.send("DELETE", f"/people/{person}/sessions/{shown['session']}").status_code == 404
    mine.send("DELETE", "/people/me/sessions")
    principal.send("DELETE", "/people/teacher/sessions")
    assert theirs.get("/people/me").status_code == 200


@pytest.mark.parametrize(
    "agent", ["a\tb\x7fc", "x" * 5000, "<script>alert(1)</script>", "", "微信".encode(), b"\xff\x85\xa0"]
)
def test_whatever_a_browser_says_of_itself_is_one_short_line(agent: str | bytes, browsers: Browsers) -> None:
    said: dict[str, Any] = {"User-Agent": agent}
    browser = browsers.of("teacher", **said)
    [item] = browser.get("/people/me/sessions").json()["items"]
    assert len(item["agent"]) <= 200 and item["agent"].isprintable()


# --- forms of other sites ------------------------------------------------------------------------------------------------


def posted(browser: Browser, **headers: str) -> httpx.Response:
    body = {"title": "插座松动", "place": "A-101"}
    return browser.client.post("/api/v1/repairs", json=body, headers={"Accept-Language": "en", **headers})


def test_what_a_session_changes_carries_its_token(browsers: Browsers) -> None:
    mine, other = browsers.of("teacher"), browsers.of("teacher2")
    stale = mine.csrf
    for wrong in (
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"X-CSRF-Token": other.csrf},
        {"X-CSRF-Token": mine.value},
    ):
        refused = posted(mine, **wrong)
        assert (refused.status_code, refused.json()["reason"]) == (403, "csrf"), wrong
        assert "X-CSRF-Token" in refused.json()["obstacle"]
    assert posted(mine, **{"X-CSRF-Token": mine.csrf}).status_code == 201
    mine.csrf = mine.client.post("/api/v1/sign-in", json={"account": "teacher", "password": PASSWORD}).json()["csrf"]
    assert posted(mine, **{"X-CSRF-Token": stale}).status_code == 403, "it died with its session"
    assert posted(mine, **{"X-CSRF-Token": mine.csrf}).status_code == 201


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Origin": "http://test"}, 201), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
        ({"Origin": "http://test.evil.example"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "same-origin", "Origin": "http://test"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201), ({"Sec-Fetch-Site": "cross-site", "Origin": "http://test"}, 403), ({}, 201),
    ],
)  # fmt: skip
def test_a_request_another_site_made_is_refused_even_with_the_token(
    headers: dict[str, str], status: int, browsers: Browsers
) -> None:
    browser = browsers.of("teacher")
    assert posted(browser, **{"X-CSRF-Token": browser.csrf}, **headers).status_code == status


def test_every_unsafe_address_asks_a_cookie_for_its_token(browsers: Browsers) -> None:
    browser = browsers.of("principal")
    document = browser.client.get("/api/v1/openapi.json").json()
    asked = 0
    for path, operations in document["paths"].items():
        for method in set(operations) & {"post", "put", "patch", "delete"}:
            if operations[method].get("security") == []:
                continue
            refused = browser.client.request(method, path, json={})
            assert (refused.status_code, refused.json().get("reason")) == (403, "csrf"), f"{method} {path}"
            asked += 1
    assert asked > 15


def test_a_token_needs_none_and_goes_before_the_cookie(browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    answer = posted(browser, **browsers.school.headers("teacher2"), Origin="http://evil.example")
    assert answer.json()["reporter"] == "teacher2"


def test_nobody_is_signed_in_as_somebody_else_by_another_site(browsers: Browsers) -> None:
    a_password(browsers.runtime, browsers.school, "teacher")
    with calling(browsers._app) as client:
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = client.post("/api/v1/sign-in", json={"account": "teacher", "password": PASSWORD}, headers=headers)
            assert answer.status_code == 403 and "set-cookie" not in answer.headers
        text = client.post(
            "/api/v1/sign-in", content=b'{"account":"teacher","password":"x"}', headers={"Content-Type": "text/plain"}
        )
        assert text.status_code == 415


# --- passwords -----------------------------------------------------------------------------------------------------------


def test_a_changed_password_ends_every_session_and_this_one_goes_on_under_another_value(
    runtime: Runtime, browsers: Browsers
) -> None:
    mine, other = browsers.of("teacher"), browsers.of("teacher")
    before, csrf = mine.value, mine.csrf
    answer = mine.send("POST", "/people/me/password", {"old": PASSWORD, "new": NEW})
    assert answer.status_code == 200, answer.text
    assert mine.value != before and answer.json()["csrf"] not in (csrf, None)
    mine.csrf = answer.json()["csrf"]
    assert mine.get("/people/me").status_code == 200
    assert other.get("/people/me").status_code == 401
    with calling(browsers._app) as thief:
        assert thief.get(ME, headers={"Cookie": f"bihuan={before}"}).status_code == 401
        assert thief.post("/api/v1/sign-in", json={"account": "teacher", "password": PASSWORD}).status_code == 401
        assert thief.post("/api/v1/sign-in", json={"account": "teacher", "password": NEW}).status_code == 200
    [change] = changes(runtime)
    assert (change["what"], change["about"]) == ("password_changed", {"person": "teacher"})


@pytest.mark.parametrize(
    "old, new, field",
    [
        ("not mine at all", NEW, "old"), (PASSWORD, "short", "new"), (PASSWORD, PASSWORD, "new"),
        (PASSWORD, "teacher-2020-x", "new"), (PASSWORD, "1234567890", "new"), ("", NEW, "old"),
    ],
)  # fmt: skip
def test_a_password_that_cannot_be_is_refused_field_by_field(
    old: str, new: str, field: str, browsers: Browsers
) -> None:
    browser = browsers.of("teacher")
    refused = browser.send("POST", "/people/me/password", {"old": old, "new": new})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, field)
    assert browser.get("/people/me").status_code == 200


def test_who_holds_an_open_session_does_not_guess_the_password_by_it(browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    asked = [browser.send("POST", "/people/me/password", {"old": f"guess {n}", "new": NEW}) for n in range(7)]
    assert [answer.status_code for answer in asked] == [422] * 5 + [429] * 2
    assert "retry-after" in asked[-1].headers


def test_an_administrator_s_reset_is_shown_once_and_has_to_be_changed_before_anything_else(
    runtime: Runtime, browsers: Browsers
) -> None:
    teacher, principal = browsers.of("teacher"), browsers.of("principal")
    reset = principal.send("POST", "/people/teacher/password")
    assert reset.status_code == 200 and reset.headers["cache-control"] == "no-store"
    drawn = reset.json()["password"]
    assert teacher.get("/people/me").status_code == 401, "signed out everywhere"
    [change] = changes(runtime)
    assert (change["what"], change["by"], change["about"]) == (
        "password_reset",
        "person:principal",
        {"person": "teacher"},
    )
    assert drawn not in str(changes(runtime))
    again = browsers.of("teacher", password=drawn)
    for method, path, body in [
        ("GET", "/people/me", None), ("GET", "/worklist", None), ("POST", "/repairs", {"title": "x", "place": "A"}),
        ("GET", "/people/me/tokens", None), ("POST", "/people/me/tokens", {"label": "x"}), ("GET", "/cases", None),
    ]:  # fmt: skip
        refused = again.get(path) if method == "GET" else again.send(method, path, body)
        assert (refused.status_code, refused.json()["reason"]) == (403, "must_change"), path
        assert "people/me/password" in refused.json()["remedy"]
    changed = again.send("POST", "/people/me/password", {"old": drawn, "new": NEW})
    assert changed.status_code == 200, changed.text
    assert again.get("/people/me").status_code == 200


def test_who_must_change_his_password_may_leave_instead(runtime: Runtime, browsers: Browsers) -> None:
    a_password(runtime, browsers.school, "teacher", must_change=True)
    assert browsers.of("teacher").send("POST", "/sign-out").status_code == 200


@pytest.mark.parametrize(
    "person, status", [("safety_head", 403), ("teacher", 403), ("auditor", 403), ("principal", 200)]
)
def test_only_an_administrator_resets_a_password(person: str, status: int, browsers: Browsers) -> None:
    assert browsers.of(person).send("POST", "/people/driver/password").status_code == status


def test_an_administrator_changes_his_own_with_the_old_one_only(browsers: Browsers) -> None:
    principal = browsers.of("principal")
    assert principal.send("POST", "/people/principal/password").status_code == 403
    for nobody in ("nobody", "teacher@south", "principal@school"):
        assert principal.send("POST", f"/people/{nobody}/password").status_code == 404


# --- tokens --------------------------------------------------------------------------------------------------------------


def bearer(
    client: httpx.Client, token: str, method: str = "GET", path: str = "/people/me", body: Any = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    return client.request(method, f"/api/v1{path}", json=body, headers=headers)


def test_a_token_is_shown_once_reads_unless_told_otherwise_and_ends(runtime: Runtime, browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    made = browser.send("POST", "/people/me/tokens", {"label": "figures", "days": 7})
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    token = made.json()["token"]
    listed = browser.get("/people/me/tokens")
    assert token not in listed.text and made.json()["prefix"] in listed.text
    assert listed.json()["items"][-1]["allows"] == "read"
    with calling(browsers._app) as client:
        assert bearer(client, token).json()["person"] == "teacher"
        pass_by(runtime, days=7, seconds=-1)
        assert bearer(client, token).status_code == 200
        pass_by(runtime, seconds=1)
        assert bearer(client, token).status_code == 401


def test_a_token_that_reads_changes_nothing_anywhere(browsers: Browsers) -> None:
    token = browsers.of("principal").send("POST", "/people/me/tokens", {"label": "r", "allows": "read"}).json()["token"]
    with calling(browsers._app) as client:
        document = client.get("/api/v1/openapi.json").json()
        tried = 0
        for path, operations in document["paths"].items():
            for method in set(operations) & {"post", "put", "patch", "delete"}:
                if operations[method].get("security") == []:
                    continue
                refused = bearer(client, token, method.upper(), path.removeprefix("/api/v1"), {})
                assert (refused.status_code, refused.json()["reason"]) == (403, "token"), f"{method} {path}"
                assert "may only read" in refused.json()["detail"]
                tried += 1
        assert tried > 15
        assert bearer(client, token, "HEAD").status_code == 200


def test_a_token_that_acts_does_and_a_revoked_one_is_refused_at_once(browsers: Browsers) -> None:
    browser = browsers.of("teacher")
    made = browser.send("POST", "/people/me/tokens", {"label": "phone", "allows": "act"}).json()
    report = {"title": "插座松动", "place": "A-101"}
    with calling(browsers._app) as client:
        assert bearer(client, made["token"], "POST", "/repairs", report).status_code == 201
        assert browser.send("DELETE", f"/people/me/tokens/{made['prefix']}").json() == {"revoked": 1}
        assert bearer(client, made["token"], "POST", "/repairs", report).status_code == 401
        assert bearer(client, made["token"]).status_code == 401
    assert browser.send("DELETE", f"/people/me/tokens/{made['prefix']}").status_code == 404


def test_a_token_makes_nothing_of_its_owner_s_that_would_outlive_it(runtime: Runtime, browsers: Browsers) -> None:
    with calling(browsers._app) as client:
        for path, body in (("/people/me/tokens", {"label": "x"}), ("/feeds", {})):
            refused = bearer(client, browsers.school.token("principal"), "POST", path, body)
            assert (refused.status_code, refused.json()["reason"]) == (403, "token"), path
            assert refused.json()["remedy"] == "Sign in with your password and do it there"
    assert changes(runtime) == []


def test_one_s_tokens_are_out_of_others_reach_but_an_administrator_s(runtime: Runtime, browsers: Browsers) -> None:
    made = browsers.of("teacher").send("POST", "/people/me/tokens", {"label": "x"}).json()
    other, principal = browsers.of("teacher2"), browsers.of("principal")
    assert other.get("/people/teacher/tokens").status_code == 403
    assert other.send("DELETE", f"/people/me/tokens/{made['prefix']}").status_code == 404
    assert made["prefix"] in principal.get("/people/teacher/tokens").text
    assert principal.send("DELETE", f"/people/teacher/tokens/{made['prefix']}").json() == {"revoked": 1}
    change = changes(runtime)[-1]
    assert (change["what"], change["about"]) == ("token_revoked", {"person": "teacher", "prefix": made["prefix"]})
    with calling(browsers._app) as client:
        assert bearer(client, made["token"]).status_code == 401


@pytest.mark.parametrize(
    "body",
    [{"allows": "write"}, {"days": 0}, {"days": 3651}, {"days": "7"}, {"label": "x" * 101}, {"person": "principal"}],
)
def test_a_token_that_cannot_be_is_refused(body: dict[str, Any], browsers: Browsers) -> None:
    assert browsers.of("teacher").send("POST", "/people/me/tokens", body).status_code == 422


# --- in another's name ---------------------------------------------------------------------------------------------------


def test_me_is_who_signed_in_wherever_and_for_whomever_he_asks(runtime: Runtime, browsers: Browsers) -> None:
    """Standing in for somebody lends his duties, and neither his password nor his sessions."""
    with runtime.database.write_across() as connection:
        days = date(2020, 3, 1), date(2020, 3, 9)
        people.add_absence(connection, "school", Absence("away", "principal", *days, "teacher"))
    browsers.of("principal")
    teacher = browsers.of("teacher")
    on_behalf = {"Bihuan-On-Behalf-Of": "principal"}
    assert teacher.get("/people/me", **on_behalf).status_code == 200
    assert len(teacher.get("/people/me/sessions", **on_behalf).json()["items"]) == 1
    answer = teacher.send("POST", "/people/me/password", {"old": PASSWORD, "new": NEW}, **on_behalf)
    assert answer.status_code == 200
    assert [change["about"] for change in changes(runtime)] == [{"person": "teacher"}]
