"""The page behind a label's code: a stranger's three taps and a sentence, with nothing shown in return; and the pages of those
who keep labels.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from api import labels, logs
from api.app import create_app
from api.auth.forms import STRANGERS
from api.bootstrap import Runtime
from api.labels import SEEING
from api.pages.rendering import HEADERS
from engine.actor import Grant
from engine.directory import Organisation
from engine.errors import Text
from engine.store import cases, history, people
from engine.store.labels import Label
from tests.api.pages import Page, got, sign_in
from tests.api.test_anonymous import EAST, SEEN, a_picture, decide
from tests.builders import School, a_password, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from workflows import CATALOG


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
        client.headers["Accept-Language"] = "en"
        yield client


@pytest.fixture
def label(runtime: Runtime, school: School) -> Label:
    decide(runtime, anonymous_reports=True)
    return labels.make(runtime, school.actor("safety_staff"), EAST)


@pytest.fixture
def path(runtime: Runtime, label: Label) -> str:
    return address(runtime, label)


def address(runtime: Runtime, label: Label) -> str:
    return "/q/" + labels.printed(runtime, label).address.rpartition("/")[2]


def send(client: httpx.Client, path: str, *pictures: bytes, **typed: str) -> httpx.Response:
    """What pressing the button sends."""
    fields = {**got(client, path).form(path), "title": SEEN, **typed}
    fields.pop("photos", None)
    files = [("photos", ("a.jpg", content, "image/jpeg")) for content in pictures]
    return client.post(path, data=fields, files=files or [("photos", ("", b"", "application/octet-stream"))])


def reports(runtime: Runtime) -> list[str]:
    with runtime.database.read("school") as connection:
        found = cases.load_many(connection, "school", [f"YH-2020-{n:04}" for n in range(1, 20)])
    return [case.title for case in found.values()]


def without_its_address(text: str) -> str:
    """A page but for where it is itself, to which one comes back from choosing a language."""
    return re.sub(r'[?]next=[^"]*', "", text)


# --- a stranger ----------------------------------------------------------------------------------------------------------


def test_a_stranger_takes_a_picture_writes_a_sentence_and_is_thanked(
    client: httpx.Client, runtime: Runtime, path: str
) -> None:
    page = got(client, path)
    assert EAST in page.words and "Take a picture" in page.words
    answer = send(client, path, a_picture())
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=sent")
    thanks = got(client, answer.headers["location"])
    assert "Thank you, it has arrived" in thanks.words
    assert "YH-" not in thanks.words and SEEN not in thanks.words
    assert reports(runtime) == [SEEN]
    with runtime.database.read("school") as connection:
        [event] = history.events_of(connection, "school", "YH-2020-0001")
    assert event.actor == f"anonymous:{EAST}" and len(event.data["photos"]) == 1


def test_whose_day_is_full_is_told_before_his_pictures_are_taken_in(runtime: Runtime, path: str) -> None:
    decide(runtime, anonymous_reports=True, anonymous_per_address=1)
    app, read = create_app(runtime), list[str]()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def told() -> Message:
            read.append(scope["method"])
            return await receive()

        await app(scope, told, send)

    with calling(watched) as client:
        assert send(client, path).status_code == 303
        read.clear()
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        answer = client.post(path, content=b"x" * 200_000, headers=headers)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    assert read == []
    assert reports(runtime) == [SEEN]


def test_where_too_many_send_pictures_words_still_arrive_and_whoever_is_refused_comes_back_here(
    client: httpx.Client, runtime: Runtime, path: str
) -> None:
    with ExitStack() as taken:
        for who in range(12):
            taken.enter_context(STRANGERS.places.one(SEEING, SEEING, f"192.0.2.{who}"))
        heavy = send(client, path, a_picture() + b"x" * 200_000)
        assert send(client, path).status_code == 303
    assert (heavy.status_code, f'href="{path}"' in heavy.text) == (503, True)
    assert reports(runtime) == [SEEN]


def test_the_thanks_are_the_same_whatever_became_of_it(client: httpx.Client, runtime: Runtime, path: str) -> None:
    told = {without_its_address(client.get(f"{path}?done={word}").text) for word in ("sent", "again", "YH-2020-0001")}
    assert len(told) == 1
    trapped = send(client, path, website="https://buy.example")
    assert (trapped.status_code, trapped.headers["location"]) == (303, f"{path}?done=sent")
    assert reports(runtime) == [] and runtime.strangers.counted()["trapped"] == 1


def test_the_same_form_with_other_words_is_another_report_and_tells_of_no_case(
    client: httpx.Client, runtime: Runtime, path: str
) -> None:
    fields = {**got(client, path).form(path), "title": SEEN}
    fields.pop("photos")
    assert client.post(path, data=fields).status_code == 303
    again = client.post(path, data={**fields, "title": "楼梯灯不亮"})  # after the browser's way back
    assert (again.status_code, again.headers["location"]) == (303, f"{path}?done=sent")
    assert reports(runtime) == [SEEN, "楼梯灯不亮"]


def test_the_button_pressed_twice_reports_once(client: httpx.Client, runtime: Runtime, path: str) -> None:
    fields = {**got(client, path).form(path), "title": SEEN}
    for _ in range(2):
        assert client.post(path, data=fields).status_code == 303
    assert reports(runtime) == [SEEN]


@pytest.mark.parametrize(
    "language, words", [("zh-CN", "今天收到的匿名上报已经够多"), ("en", "enough anonymous reports")]
)
def test_when_enough_came_it_says_so_in_his_language_and_keeps_what_he_wrote(
    client: httpx.Client, runtime: Runtime, path: str, language: str, words: str
) -> None:
    decide(runtime, anonymous_per_place=1)
    client.headers["Accept-Language"] = language
    assert send(client, path).status_code == 303
    answer = send(client, path, a_picture(), title="一件别的事")
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 3600
    page = Page(answer.text)
    assert words in page.words and "一件别的事" in page.words
    assert len(reports(runtime)) == 1


@pytest.mark.parametrize(
    "typed", ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</textarea><b>x", "=HYPERLINK(1)"]
)  # fmt: skip
def test_what_he_types_is_text_on_every_page_that_shows_it(
    client: httpx.Client, runtime: Runtime, school: School, path: str, typed: str
) -> None:
    refused = send(client, path, title=typed + " " + "x" * 250)
    assert refused.status_code == 422 and typed not in refused.text.replace("{{ 7 * 7 }}", "").replace("=HYP", "")
    assert "49" not in Page(refused.text).words
    assert send(client, path, title=typed).status_code == 303
    assert reports(runtime) == [typed]
    a_password(runtime, school, "safety_staff")
    sign_in(client, "safety_staff")
    for shown in ("/mine", "/cases/YH-2020-0001"):
        text = client.get(shown).text
        assert "<script>alert" not in text and "<img src=x" not in text and "<b>x" not in text
        Page(text)  # which refuses handlers and styles


def test_what_is_no_picture_is_told_beside_the_field_and_the_sentence_stays(
    client: httpx.Client, runtime: Runtime, path: str
) -> None:
    answer = send(client, path, b"GIF89a no picture")
    page = Page(answer.text)
    assert answer.status_code == 422 and SEEN in page.words and "Choose the pictures again" in page.words
    assert reports(runtime) == []


# --- codes that are none -------------------------------------------------------------------------------------------------


def test_a_revoked_an_unknown_and_a_forged_code_give_the_same_page(
    client: httpx.Client, runtime: Runtime, school: School, label: Label, path: str
) -> None:
    labels.revoke(runtime, school.actor("safety_staff"), label.id)
    forged = path[:-1] + ("A" if path[-1] != "A" else "B")
    told = set()
    for one in (path, forged, "/q/x", "/q/" + "x" * 3000, "/q/%E4%B8%9C%E9%97%A8", f"{path}?done=sent"):
        for method in ("GET", "POST"):
            answer = client.request(method, one)
            assert answer.status_code == 404, f"{method} {one}"
            told.add(without_its_address(answer.text))
    assert len(told) == 1


def test_a_body_is_not_even_read_before_the_code_is_believed(client: httpx.Client, path: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/q/none", content=b"no form", headers=headers).status_code == 404
    assert client.post(path, content=b"no form", headers=headers).status_code == 422


def test_no_log_holds_the_code(client: httpx.Client, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "json")
    send(client, path)
    client.get(path)
    said = capsys.readouterr().err
    assert "/q/…" in said and path.rpartition("/")[2] not in said


# --- forgery -------------------------------------------------------------------------------------------------------------


def test_only_the_browser_that_fetched_the_form_can_send_it(client: httpx.Client, runtime: Runtime, path: str) -> None:
    fields = {**got(client, path).form(path), "title": SEEN}
    for change in ({"csrf": "0" * 64}, {"csrf": ""}):
        assert client.post(path, data={**fields, **change}).status_code == 403
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert client.post(path, data=fields, headers=headers).status_code == 403
    client.cookies.clear()
    assert client.post(path, data=fields).status_code == 403
    assert reports(runtime) == []


def test_a_stranger_sends_no_more_than_fits(client: httpx.Client, runtime: Runtime, path: str) -> None:
    assert send(client, path, *[b"x"] * 12).status_code == 422
    fields = got(client, path).form(path)
    assert client.post(path, data={**fields, "title": "x" * 30_000}).status_code == 413
    assert client.post(path, content=b"{}", headers={"Content-Type": "application/json"}).status_code == 415
    assert reports(runtime) == []


# --- where the school does not allow it, and who is signed in ------------------------------------------------------------


def test_where_it_is_closed_whoever_scans_is_led_to_sign_in_and_on_to_the_form_with_the_place(
    client: httpx.Client, runtime: Runtime, school: School, path: str
) -> None:
    decide(runtime, anonymous_reports=False)
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={quote(path, safe='')}")
    a_password(runtime, school, "teacher")
    after = sign_in(client, next=path)
    assert after.headers["location"] == path
    on = client.get(path)
    assert (on.status_code, on.headers["location"]) == (303, f"/report?place={quote(EAST)}")
    form = got(client, on.headers["location"]).form("/report")
    assert form["place"] == EAST
    sent = client.post("/report", data={**form, "title": SEEN})
    assert sent.status_code == 303 and sent.headers["location"].startswith("/cases/YH-2020-0001")
    with runtime.database.read("school") as connection:
        [event] = history.events_of(connection, "school", "YH-2020-0001")
    assert event.actor == "person:teacher"


def test_who_is_signed_in_reports_in_his_own_name_where_strangers_may_report_too(
    client: httpx.Client, runtime: Runtime, school: School, path: str
) -> None:
    a_password(runtime, school, "teacher")
    sign_in(client)
    assert client.get(path).headers["location"] == f"/report?place={quote(EAST)}"


def test_somebody_of_another_school_is_a_stranger_here(
    client: httpx.Client, runtime: Runtime, school: School, path: str
) -> None:
    south = a_school(runtime.database, "south")
    a_password(runtime, south, "teacher")
    sign_in(client, organisation="south")
    assert "Take a picture" in got(client, path).words
    assert send(client, path, a_picture()).status_code == 303
    assert reports(runtime) == [SEEN]
    decide(runtime, anonymous_reports=False)
    assert client.get(path).status_code == 403


def test_the_desk_offers_nobody_to_report_anonymously(client: httpx.Client, runtime: Runtime, school: School) -> None:
    a_password(runtime, school, "teacher")
    sign_in(client)
    assert 'value="anonymous"' not in client.get("/report").text


def test_the_case_page_says_that_pictures_are_held_back(
    client: httpx.Client, runtime: Runtime, school: School, path: str
) -> None:
    send(client, path, a_picture())
    for person, shown in (("principal", False), ("safety_staff", True)):
        a_password(runtime, school, person)
        client.cookies.clear()
        sign_in(client, person)
        text = client.get("/cases/YH-2020-0001").text
        assert ("/thumbnail" in text) is shown
        assert ("alone until it is taken up" in text) is not shown
        assert "an anonymous report" in text


# --- those who keep labels -----------------------------------------------------------------------------------------------


@pytest.fixture
def keeper(client: httpx.Client, runtime: Runtime, school: School) -> httpx.Client:
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
    a_password(runtime, school, "principal")
    sign_in(client, "principal")
    return client


def test_labels_are_made_printed_and_revoked_on_their_page(keeper: httpx.Client, runtime: Runtime) -> None:
    page = got(keeper, "/school/labels")
    assert "None yet" in page.words and "has no public address yet" in page.words
    made = keeper.post("/school/labels", data={**page.form("/school/labels"), "place": EAST})
    assert (made.status_code, made.headers["location"]) == (303, "/school/labels?done=made")
    page = got(keeper, "/school/labels?done=made")
    assert EAST in page.words and "The label is made" in page.words
    twice = keeper.post("/school/labels", data={**page.form("/school/labels"), "place": EAST})
    assert twice.status_code == 422 and "this place has a label in use" in Page(twice.text).words
    assert Page(twice.text).form("/school/labels")["place"] == EAST
    sheet = keeper.get("/school/labels/print")
    assert sheet.status_code == 200 and sheet.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    printed = Page(sheet.text)
    assert EAST in printed.words and printed.tags.count("svg") == 1 and "labels.css" in sheet.text
    [label] = labels_in_use(runtime)
    assert keeper.get(f"/school/labels/print?label={label.id}").text == sheet.text
    gone = keeper.post(f"/school/labels/{label.id}/revoke", data=page.form(f"/school/labels/{label.id}/revoke"))
    assert gone.headers["location"] == "/school/labels?done=revoked"
    assert keeper.get("/school/labels/print").headers["location"] == "/school/labels"
    assert keeper.post("/school/labels/none/revoke", data=page.form("/school/labels")).status_code == 404


def labels_in_use(runtime: Runtime) -> list[Label]:
    with runtime.database.read("school") as connection:
        return [label for label in labels.all_of(connection, "school") if label.revoked_at is None]


def test_the_administrator_opens_anonymous_reports_and_says_how_many(keeper: httpx.Client, runtime: Runtime) -> None:
    form = got(keeper, "/school/labels").form("/school/labels/policy")
    wrong = keeper.post("/school/labels/policy", data={**form, "anonymous_per_day": "0"})
    assert wrong.status_code == 422 and Page(wrong.text).form("/school/labels/policy")["anonymous_per_day"] == "0"
    form["anonymous_reports"] = "yes"
    done = keeper.post("/school/labels/policy", data={**form, "anonymous_per_day": "7"})
    assert (done.status_code, done.headers["location"]) == (303, "/school/labels?done=policy")
    page = got(keeper, "/school/labels")
    assert page.form("/school/labels/policy")["anonymous_per_day"] == "7"
    shut = {name: value for name, value in form.items() if name != "anonymous_reports"}
    assert keeper.post("/school/labels/policy", data=shut).status_code == 303
    assert "Closed: whoever scans" in got(keeper, "/school/labels").words


@pytest.mark.parametrize(
    "person, status", [("safety_staff", 200), ("auditor", 200), ("teacher", 403), ("hqc_head", 403)]
)
def test_the_page_is_the_safety_office_s_and_the_auditor_only_looks(
    client: httpx.Client, runtime: Runtime, school: School, label: Label, person: str, status: int
) -> None:
    a_password(runtime, school, person)
    sign_in(client, person)
    page = got(client, "/school/labels", status)
    forms = [form["action"] for form in page.forms]
    assert ("/school/labels" in forms) is (person == "safety_staff") and "/school/labels/policy" not in forms
    linked = "/school/labels" in got(client, "/account").addresses
    assert linked is (status == 200)
    csrf = got(client, "/account").form("/sign-out")
    answers = {
        client.post(f"/school/labels{more}", data={**csrf, "place": "x"}).status_code
        for more in ("", "/policy", f"/{label.id}/revoke")
    }
    assert answers == ({303, 403} if person == "safety_staff" else {403})


def test_what_time_it_is_in_a_simulated_folder_is_told_by_the_school_s_clock_wherever_one_is_meant(
    client: httpx.Client, runtime: Runtime, path: str
) -> None:
    here, universal = "it is 2020-03-02 09:00<", "it is 2020-03-02 01:00 UTC<"

    def told(*paths: str) -> set[str]:
        answers = [client.get(each, headers={"Accept": "text/html"}) for each in paths]
        return {word for answer in answers for word in re.findall(r"it is [\d-]+ [\d:]+(?: UTC)?<", answer.text)}

    assert told(path, f"{path}?done=sent", "/sign-in", "/q/nothing", "/nowhere") == {here}
    sign_in(client, "teacher")
    assert told("/mine", "/nowhere") == {here}
    client.cookies.clear()
    with runtime.database.write("bureau") as connection:
        people.add_organisation(connection, Organisation("bureau", Text("教育局", "Bureau"), kind="bureau"))
    assert told("/sign-in") == {here}, "whichever is meant, it is that time there"
    with runtime.database.write("far") as connection:
        people.add_organisation(connection, Organisation("far", Text("远方学校", "Far school"), "Asia/Urumqi"))
    assert told(path) == {here}, "the label says whose page it is"
    assert told("/sign-in", "/nowhere") == {universal}
