"""The directory is changed in one way: values are checked, each change is on record, and no dead corner opens unseen."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from api import directory
from api.bootstrap import Runtime
from api.checking import OpensDeadCorner
from api.directory import Editor
from engine.actor import Grant
from engine.directory import Absence, Organisation, Person
from engine.errors import InvalidInput, Text
from engine.store import people
from tests.builders import START, School, a_school, a_session

TODAY = "2020-03-02"
AWAY = {"first_day": "2020-03-02", "last_day": "2020-03-06"}
GROUP = {"name": {"zh": "巡查组", "en": "Patrol"}, "seats": [{"kind": "person", "holder": "teacher"}]}


@pytest.fixture
def school(runtime: Runtime) -> School:
    """The principal is administrator too; above the school is a bureau, beside it another school."""
    school = a_school(runtime.database)
    with runtime.database.write_across() as connection:
        people.add_organisation(connection, Organisation("bureau", Text("市教育局", "Bureau"), kind="bureau"))
        people.add_person(connection, Person("bureau", "inspector", "督导"))
        people.give(connection, "school", "principal", Grant("administrator"))
        connection.exec_driver_sql("UPDATE organisation SET parent = 'bureau' WHERE organisation = 'school'")
    a_school(runtime.database, "beside")
    return school


def asked(
    client: httpx.Client, school: School, person: str, method: str, path: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    address = f"/api/v1/people/{path}".rstrip("/")
    return client.request(method, address, json=body, headers=school.headers(person, Accept_Language="en"))


def changes(client: httpx.Client, school: School) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = asked(client, school, "auditor", "GET", "changes").json()["items"]
    return items


# --- who may -------------------------------------------------------------------------------------------------------------

#: every way to change the directory, with what it asks for
WAYS = [
    ("POST", "teacher/grants", {"role": "driver"}),
    ("DELETE", "teacher/grants?role=teacher", None),
    ("POST", "teacher/absences", AWAY),
    ("PATCH", "teacher", {"post": "实训教师"}),
    ("PUT", "groups/patrol", GROUP),
    ("POST", "", {"person": "teacher3", "name": "教师三", "department": "XB1"}),
    ("PUT", "departments/XB2", {"name": {"zh": "信息系 teacher", "en": "IT"}, "confirmed": True}),
]


@pytest.mark.parametrize("method, path, body", WAYS)
@pytest.mark.parametrize("person", ["safety_head", "auditor", "driver"])
def test_only_an_administrator_changes_what_is_not_his(
    method: str, path: str, body: dict[str, Any] | None, person: str, client: httpx.Client, school: School
) -> None:
    refused = asked(client, school, person, method, path, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    unknown = asked(client, school, person, method, path.replace("teacher", "nobody"), body)
    assert unknown.json()["detail"] == refused.json()["detail"], "who may not ask learns nothing"
    assert changes(client, school) == []


@pytest.mark.parametrize("method, path, body", WAYS)
def test_every_change_is_on_record_with_who_made_it(
    method: str, path: str, body: dict[str, Any] | None, client: httpx.Client, school: School
) -> None:
    done = asked(client, school, "principal", method, path, body)
    assert done.status_code in (200, 201), done.text
    [change] = changes(client, school)
    assert (change["by"], change["at"]) == ("person:principal", "2020-03-02T01:00:00Z")
    assert "teacher" in str(change["about"])


@pytest.mark.parametrize("method, path, body", [way for way in WAYS if way[1].startswith("teacher")])
def test_nobody_is_a_404(
    method: str, path: str, body: dict[str, Any] | None, client: httpx.Client, school: School
) -> None:
    answer = asked(client, school, "principal", method, path.replace("teacher", "nobody", 1), body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_in_directory")


@pytest.mark.parametrize("person, status", [("principal", 200), ("auditor", 200), ("teacher", 403), ("driver", 403)])
def test_the_record_of_changes_is_for_administrators_and_auditors(
    person: str, status: int, client: httpx.Client, school: School
) -> None:
    assert asked(client, school, person, "GET", "changes").status_code == status


def test_the_record_of_changes_is_paged_newest_first(client: httpx.Client, school: School) -> None:
    for role in ("driver", "repairer", "doctor"):
        assert asked(client, school, "principal", "POST", "teacher/grants", {"role": role}).status_code == 201
    first = asked(client, school, "auditor", "GET", "changes?limit=2").json()
    rest = asked(client, school, "auditor", "GET", f"changes?limit=2&cursor={first['next']}").json()
    told = [item["about"]["role"] for page in (first, rest) for item in page["items"]]
    assert (told, rest["next"]) == (["doctor", "repairer", "driver"], None)
    assert asked(client, school, "auditor", "GET", "changes?cursor=x").status_code == 422


# --- what is taken -------------------------------------------------------------------------------------------------------

#: what is sent, the field that is wrong and what is said of it
WRONG = [
    ("POST", "teacher/grants", {"role": "king"}, "role", "there is no role 'king'"),
    ("POST", "teacher/grants", {"role": "driver", "scope": "NO"}, "scope", "'NO' is no department here"),
    ("POST", "teacher/grants", {"role": "acceptance_group", "scope": "HQC"}, "scope", "its scope is *"),
    ("POST", "teacher/grants", {"role": "driver", "valid_from": "2020-04-01", "valid_until": "2020-03-31"},
     "valid_until", "ends before it begins"),
    ("POST", "teacher/grants", {"role": "driver", "valid_from": 3}, "valid_from", "has to be a day"),
    ("POST", "teacher/grants", {"role": "driver", "person": "driver"}, "person", ""),
    ("DELETE", "teacher/grants?role=teacher&last_day=2020-02-29", None, "last_day", "nothing is back-dated"),
    ("POST", "teacher/absences", {**AWAY, "last_day": "2020-03-01"}, "last_day", "ends before it begins"),
    ("POST", "teacher/absences", {"first_day": "2020-02-01", "last_day": "2020-03-01"}, "last_day", "are over"),
    ("POST", "teacher/absences", {**AWAY, "delegate": "nobody"}, "delegate", "there is nobody called"),
    ("POST", "teacher/absences", {**AWAY, "delegate": "teacher"}, "delegate", "nobody stands in for himself"),
    ("POST", "teacher/absences", {**AWAY, "delegate": "inspector@bureau"}, "delegate", "there is nobody called"),
    ("POST", "teacher/absences", {**AWAY, "duties": ["teacher"]}, "duties", "without a delegate"),
    ("POST", "teacher/absences", {**AWAY, "delegate": "teacher2", "duties": ["driver"]}, "duties", "driver cannot be"),
    ("PATCH", "teacher", {"name": " "}, "name", "visible characters"),
    ("PATCH", "teacher", {"post": "a\nb"}, "post", "visible characters"),
    ("PATCH", "teacher", {"department": "NO"}, "department", "'NO' is no department here"),
    ("PATCH", "teacher", {"addresses": {"Web Hook": "x"}}, "addresses.Web Hook", "no address"),
    ("PATCH", "teacher", {"addresses": {"email": "nope"}}, "addresses.email", "is not one e-mail address"),
    ("PATCH", "teacher", {"addresses": {"phone": "abc"}}, "addresses.phone", "is not one telephone number"),
    ("PATCH", "teacher", {"active": "yes"}, "active", ""),
    ("PATCH", "teacher", {"human": "x"}, "human", ""),
    ("PUT", "groups/patrol", {**GROUP, "seats": []}, "seats", "1 to 200 seats"),
    ("PUT", "groups/patrol", {**GROUP, "least": 2}, "least", "it needs 2 and has 1"),
    ("PUT", "groups/patrol", {**GROUP, "seats": GROUP["seats"] * 2}, "seats.1", "listed twice"),  # type: ignore[operator]
    ("PUT", "groups/patrol", {**GROUP, "seats": [{"kind": "role", "holder": "king"}]}, "seats.0", "no role 'king'"),
    ("PUT", "groups/patrol", {**GROUP, "seats": [{"kind": "role", "holder": "leading_group"}]}, "seats.0", "no role"),
    ("PUT", "groups/patrol", {**GROUP, "seats": [{"kind": "person", "holder": "nobody"}]}, "seats.0", "nobody called"),
    ("PUT", "groups/principal", GROUP, "code", "is a role already"),
    ("PUT", "groups/assignee", GROUP, "code", "names no relation"),
    ("PUT", "groups/Patrol", GROUP, "code", "a code has"),
]  # fmt: skip


@pytest.mark.parametrize("method, path, body, field, what", WRONG)
def test_what_cannot_be_is_refused_in_words_and_changes_nothing(
    method: str, path: str, body: dict[str, Any] | None, field: str, what: str, client: httpx.Client, school: School
) -> None:
    answer = asked(client, school, "principal", method, path, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["fields"][0]["field"] == field and what in answer.json()["detail"]
    assert changes(client, school) == []


# --- grants --------------------------------------------------------------------------------------------------------------


def test_a_role_is_granted_and_withdrawn_and_stays_on_record(client: httpx.Client, school: School) -> None:
    def roles() -> list[str]:
        return [g["role"] for g in asked(client, school, "teacher", "GET", "me").json()["grants"]]

    asked(client, school, "principal", "POST", "teacher/grants", {"role": "dept_safety", "scope": "XB1"})
    assert roles() == ["dept_safety", "teacher"]
    gone = asked(client, school, "principal", "DELETE", "teacher/grants?role=dept_safety&scope=XB1")
    assert (gone.status_code, gone.json()["valid_until"]) == (200, "2020-03-01")
    assert roles() == ["teacher"]
    told = changes(client, school)[0]
    assert (told["what"], told["about"]["last_day"]) == ("withdrawn", "2020-03-01")
    kept = asked(client, school, "teacher", "GET", "me/grants").json()["items"]
    assert [grant["role"] for grant in kept] == ["dept_safety", "teacher"]
    again = asked(client, school, "principal", "DELETE", "teacher/grants?role=dept_safety&scope=XB1")
    assert again.status_code == 404, "what is over cannot end again"


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("DELETE", "principal/grants?role=administrator&confirmed=true", None),
        ("PATCH", "principal", {"active": False, "confirmed": True}),
    ],
)
def test_the_last_administrator_stays_until_there_is_another(
    method: str, path: str, body: dict[str, Any] | None, client: httpx.Client, school: School
) -> None:
    refused = asked(client, school, "principal", method, path, body)
    assert (refused.status_code, "somebody else first" in refused.json()["obstacle"]) == (422, True), refused.text
    asked(client, school, "principal", "POST", "teacher/grants", {"role": "administrator"})
    assert asked(client, school, "principal", method, path, body).status_code == 200


@pytest.mark.parametrize("body", [{}, {"name": None}, {"confirmed": True}])
def test_a_change_of_nothing_is_refused_and_not_on_record(
    body: dict[str, Any], client: httpx.Client, school: School
) -> None:
    refused = asked(client, school, "principal", "PATCH", "teacher", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert changes(client, school) == []


def test_a_withdrawal_does_not_lengthen(client: httpx.Client, school: School) -> None:
    body = {"role": "driver", "valid_until": "2020-03-10"}
    asked(client, school, "principal", "POST", "teacher/grants", body)
    answer = asked(client, school, "principal", "DELETE", "teacher/grants?role=driver&last_day=2020-04-01")
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "last_day")


@pytest.mark.parametrize(
    "person, status",
    [("inspector@bureau", 201), ("nobody@bureau", 404), ("teacher@beside", 404), ("teacher@school", 404), ("x@y", 404)],
)
def test_a_role_goes_to_people_of_the_bureau_above_and_tells_nothing_of_another_school(
    person: str, status: int, client: httpx.Client, school: School
) -> None:
    answer = asked(client, school, "principal", "POST", f"{person}/grants", {"role": "bureau"})
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["obstacle"] == f"there is nobody called {person!r} in the directory"


# --- in an administrator's place -----------------------------------------------------------------------------------------

MYSELF = {"kind": "person", "holder": "teacher2"}
DRIVERS = {"kind": "role", "holder": "driver"}
DOCTORS = {"kind": "role", "holder": "doctor"}


@pytest.fixture
def stand_in(runtime: Runtime, school: School) -> str:
    """Who keeps the directory for the principal this week; he drives the bus, too, and next week more changes."""
    away = Absence("a", "principal", date(2020, 3, 2), date(2020, 3, 6), "teacher2", frozenset({"administrator"}))
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "teacher2", Grant("driver"))
        people.give(connection, "school", "safety_head", Grant("administrator"))
        people.give(connection, "school", "auditor", Grant("administrator", valid_from=date(2020, 3, 9)))
        people.give(connection, "school", "teacher2", Grant("doctor", valid_from=date(2020, 3, 9)))
        people.add_absence(connection, "school", away)
    return "teacher2"


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("POST", "teacher/grants", {"role": "driver"}, 201),
        ("POST", "teacher2/grants", {"role": "repairer"}, 403),
        ("POST", "teacher/grants", {"role": "administrator"}, 403),
        ("POST", "teacher/grants", {"role": "safety_head"}, 403),
        ("POST", "vp_safety/password", None, 403),
        ("PATCH", "hqc_head", {"addresses": {"email": "a@example.org"}}, 403),
        ("DELETE", "principal/grants?role=administrator", None, 403),
        ("PATCH", "teacher", {"name": "李"}, 200),
        ("PATCH", "principal", {"active": False}, 403),
        ("PATCH", "teacher2", {"department": None}, 403),
        ("POST", "teacher/absences", {**AWAY, "delegate": "driver"}, 201),
        ("POST", "teacher/absences", {**AWAY, "delegate": "teacher2"}, 403),
        ("POST", "principal/absences", {**AWAY, "delegate": "driver"}, 403),
        ("PUT", "groups/patrol", GROUP, 200),
        ("PUT", "groups/patrol", {**GROUP, "seats": [*GROUP["seats"], MYSELF]}, 403),
        ("PUT", "groups/patrol", {**GROUP, "seats": [DRIVERS]}, 403),
        ("PUT", "groups/patrol", {**GROUP, "seats": [DOCTORS]}, 403),
        ("POST", "teacher/password", None, 200),
        ("POST", "principal/password", None, 403),
        ("POST", "teacher2/password", None, 403),
        ("POST", "auditor/password", None, 403),
        ("DELETE", "principal/tokens/token-of-pri", None, 403),
        ("PATCH", "auditor", {"addresses": {"email": "a@example.org"}}, 403),
        ("POST", "auditor/absences", {**AWAY, "delegate": "driver"}, 403),
    ],
)
def test_what_is_done_in_an_administrator_s_place_ends_with_it(
    method: str, path: str, body: dict[str, Any] | None, status: int,
    client: httpx.Client, runtime: Runtime, school: School, stand_in: str,
) -> None:  # fmt: skip
    headers = a_session(runtime, school, stand_in, Accept_Language="en", Bihuan_On_Behalf_Of="principal")
    before = changes(client, school)
    answer = client.request(method, f"/api/v1/people/{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "not_allowed" and "administrator" in answer.json()["detail"]
        assert changes(client, school) == before
    administrator = a_session(runtime, school, "safety_head")
    another = client.request(method, f"/api/v1/people/{path}", json=body, headers=administrator)
    assert another.status_code != 403, "an administrator does all of it"


def test_a_delegate_does_not_grant_himself_a_role_under_his_other_account(
    client: httpx.Client, runtime: Runtime, school: School, stand_in: str
) -> None:
    directory.link(Editor(runtime.database, "school", "cli", START), ("school", stand_in), ("school", "driver"))
    with runtime.database.write("school") as connection:
        people.withdraw(connection, "school", stand_in, "driver", "*", date(2020, 3, 1))
        people.give(connection, "school", "driver", Grant("driver"))
    headers = school.headers(stand_in, Bihuan_On_Behalf_Of="principal")
    granted = client.post("/api/v1/people/driver/grants", json={"role": "repairer"}, headers=headers)
    seated = client.put("/api/v1/people/groups/patrol", json={**GROUP, "seats": [DRIVERS]}, headers=headers)
    assert (granted.status_code, seated.status_code) == (403, 403)


# --- absences ------------------------------------------------------------------------------------------------------------


def test_anybody_says_himself_that_he_is_away_and_is_back(client: httpx.Client, school: School) -> None:
    away = {**AWAY, "delegate": "safety_head", "duties": ["safety_staff"], "confirmed": True}
    made = asked(client, school, "safety_staff", "POST", "me/absences", away)
    assert made.status_code == 201, made.text
    assert made.json()["person"] == "safety_staff"
    listed = asked(client, school, "safety_staff", "GET", "me/absences").json()["items"]
    assert listed == [made.json()]
    path = f"safety_staff/absences/{made.json()['id']}"
    assert asked(client, school, "safety_head", "DELETE", path).status_code == 403
    back = asked(client, school, "safety_staff", "DELETE", path)
    assert (back.status_code, back.json()["last_day"]) == (200, "2020-03-01")
    assert asked(client, school, "safety_staff", "DELETE", path).status_code == 404
    told = [(change["what"], change["about"]["last_day"]) for change in changes(client, school)]
    assert told == [("back", "2020-03-01"), ("away", "2020-03-06")], "until when he was away is on record"


def test_an_absence_belongs_to_one_person(client: httpx.Client, school: School) -> None:
    made = asked(client, school, "teacher", "POST", "me/absences", AWAY).json()
    assert asked(client, school, "teacher2", "DELETE", f"me/absences/{made['id']}").status_code == 404


def test_the_same_key_writes_an_absence_down_once(client: httpx.Client, school: School) -> None:
    headers = school.headers("teacher", Idempotency_Key="phone-1")
    first, again = (client.post("/api/v1/people/me/absences", json=AWAY, headers=headers) for _ in range(2))
    assert (first.status_code, again.content) == (201, first.content)
    other = client.post("/api/v1/people/me/absences", json={**AWAY, "last_day": "2020-03-09"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert len(changes(client, school)) == 1


@pytest.mark.parametrize(
    "method, path, body, field",
    [
        ("POST", "", {"person": "2031", "name": "教师三"}, "person"),
        ("PATCH", "driver", {"staff_number": "teacher2"}, "staff_number"),
        ("POST", "", {"person": "teacher3", "name": "教师三", "staff_number": "driver"}, "staff_number"),
        ("PATCH", "teacher", {"staff_number": "teacher"}, None),
    ],
)
def test_nobody_is_called_like_the_number_of_another(
    method: str, path: str, body: dict[str, Any], field: str | None, client: httpx.Client, school: School
) -> None:
    """Whoever signs in names either, and who has it as his key would keep whose number it is out."""
    assert asked(client, school, "principal", "PATCH", "teacher", {"staff_number": "2031"}).status_code == 200
    answer = asked(client, school, "principal", method, path, body)
    if field is None:
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, field), answer.text


def test_nobody_stands_in_for_himself_under_another_account(runtime: Runtime, school: School) -> None:
    editor = Editor(runtime.database, "school", "cli", START)
    directory.link(editor, ("school", "teacher"), ("school", "driver"))
    away = Absence("a", "teacher", date(2020, 3, 2), date(2020, 3, 6), "driver")
    with pytest.raises(InvalidInput, match="nobody stands in for himself"):
        directory.leave(editor, away)


# --- groups and people ---------------------------------------------------------------------------------------------------


def test_a_group_is_set_and_its_seats_hold_its_role(client: httpx.Client, school: School) -> None:
    seats = [
        {"kind": "person", "holder": "principal", "rank": "chair"},
        {"kind": "role", "holder": "dept_head", "rank": "member"},
    ]
    put = asked(client, school, "principal", "PUT", "groups/patrol", {**GROUP, "seats": seats, "least": 3})
    assert put.status_code == 200, put.text
    assert put.json()["sitting"] == ["bwc_head", "hqc_head", "principal"]
    assert asked(client, school, "driver", "GET", "groups/patrol").json() == put.json()
    assert asked(client, school, "driver", "GET", "groups").json()["items"] == [put.json()]
    assert asked(client, school, "driver", "GET", "groups/none").status_code == 404
    mine = asked(client, school, "hqc_head", "GET", "me").json()["grants"]
    assert "patrol" in [grant["role"] for grant in mine]
    assert asked(client, school, "principal", "POST", "teacher/grants", {"role": "patrol"}).status_code == 201


@pytest.mark.parametrize(
    "form, right, wrong",
    [
        (directory.EMAIL, ("li@school", "li.hong+1@mail.school.cn", "李@例子.中国"),
         ("nope", "@x.cn", "a@", "a b@x.cn", "a@x..cn", "a@x.cn.", "a@x .cn", "a@x.cn,b@x.cn", "a@@x.cn")),
        (directory.PHONE, ("801", "110", "13900000001", "+86 (0513) 8596-0000"),
         ("abc", "12", "- - -", "1380000000x", "１３８００００", "1" * 31)),
    ],
)  # fmt: skip
def test_addresses_that_people_have_are_taken_and_no_others(
    form: re.Pattern[str], right: tuple[str, ...], wrong: tuple[str, ...]
) -> None:
    assert [each for each in (*right, *wrong) if form.fullmatch(each)] == [*right]


def test_an_address_that_stands_there_already_is_not_asked_about_again(
    client: httpx.Client, school: School, runtime: Runtime
) -> None:
    with runtime.database.write_across() as connection:
        found = people.person(connection, "school", "teacher")
        assert found is not None
        people.update_person(connection, replace(found, addresses={"email": "as it came once", "phone": "?"}))
    kept = {"addresses": {"email": "as it came once", "phone": "110"}}
    assert asked(client, school, "principal", "PATCH", "teacher", kept).status_code == 200
    changed = {"addresses": {"email": "as it came then", "phone": "110"}}
    assert asked(client, school, "principal", "PATCH", "teacher", changed).status_code == 422


def test_only_what_is_named_changes_of_a_person(client: httpx.Client, school: School, runtime: Runtime) -> None:
    body = {"name": "李", "department": None, "addresses": {"webhook": "https://example.org/x"}}
    assert asked(client, school, "principal", "PATCH", "teacher", body).status_code == 200
    with runtime.database.read_across() as connection:
        found = people.person(connection, "school", "teacher")
    assert found == Person(
        "school",
        "teacher",
        "李",
        None,
        "zh",
        {"webhook": "https://example.org/x"},
        staff_number=None,
        post="",
        human=None,
    )
    [change] = changes(client, school)
    assert "example.org" not in str(change), "an address is personal, and this record is never erased"


def test_who_was_deactivated_is_nobody_s_delegate_and_gets_no_role(client: httpx.Client, school: School) -> None:
    assert asked(client, school, "principal", "PATCH", "teacher", {"active": False}).json()["active"] is False
    assert asked(client, school, "teacher", "GET", "me").status_code == 401
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "teacher/grants", {"role": "driver"}), ("POST", "teacher/absences", AWAY),
        ("POST", "teacher2/absences", {**AWAY, "delegate": "teacher"}), ("PUT", "groups/patrol", GROUP),
    ]  # fmt: skip
    for method, path, body in ways:
        answer = asked(client, school, "principal", method, path, body)
        assert answer.status_code == 422 and "no longer active" in answer.json()["detail"], path


def test_accounts_are_linked_where_they_are(runtime: Runtime, school: School) -> None:
    here = Editor(runtime.database, "school", "cli", START)
    across = ("school", "teacher"), ("beside", "teacher")
    with pytest.raises(directory.NotInDirectory):
        directory.link(here, *across)
    with pytest.raises(InvalidInput, match="it takes two accounts"):
        directory.link(here, across[0], across[0])
    directory.link(Editor(runtime.database, "school", "cli", START, everywhere=True), *across)
    with runtime.database.read_across() as connection:
        actor = people.actor(connection, "school", "teacher", START.date())
    assert actor is not None and actor.aliases == {"teacher@beside"}


# --- dead corners --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    key: str
    text: Text


class NoHeadOfSafety:
    """A check of one question."""

    def look(self, connection: Connection) -> bool:
        return bool(people.holders(connection, "school", "safety_head", START.date()))

    def opened(self, before: bool, after: bool) -> Iterator[Open]:
        if before and not after:
            yield Open(
                "safety_head", Text("没有安稳办主任，隐患无人销号", "without a head of safety no hazard is closed")
            )


def test_a_change_that_opens_a_dead_corner_is_refused_with_what_it_opens(runtime: Runtime, school: School) -> None:
    editor = Editor(runtime.database, "school", "cli", START, check=NoHeadOfSafety())
    with pytest.raises(OpensDeadCorner) as refused:
        directory.withdraw(editor, "safety_head", "safety_head", "*")
    assert refused.value.findings == (
        Text("没有安稳办主任，隐患无人销号", "without a head of safety no hazard is closed"),
    )
    assert "without a head of safety" in refused.value.sentence("en")
    with runtime.database.read_across() as connection:
        assert people.holders(connection, "school", "safety_head", START.date()) == [("safety_head", "*")]
        assert people.changes(connection, "school") == []


def test_what_is_confirmed_is_done_and_what_it_opened_is_on_record(runtime: Runtime, school: School) -> None:
    editor = Editor(runtime.database, "school", "cli", START, confirmed=True, check=NoHeadOfSafety())
    directory.withdraw(editor, "safety_head", "safety_head", "*")
    with runtime.database.read_across() as connection:
        [change] = people.changes(connection, "school")
    assert change["about"]["opens_dead_corners"] == ["safety_head"]
    directory.withdraw(editor, "vp_safety", "vp_safety", "*")
    with runtime.database.read_across() as connection:
        assert "opens_dead_corners" not in people.changes(connection, "school")[1]["about"]


# --- people and departments ----------------------------------------------------------------------------------------------

NEW = {"person": "0017", "name": "新教师", "department": "XB1", "post": "教师", "staff_number": "0017"}


def test_somebody_new_holds_nothing_and_is_never_added_twice(client: httpx.Client, school: School) -> None:
    new = {**NEW, "staff_number": "0042"}
    made = asked(client, school, "principal", "POST", "", {**new, "addresses": {"phone": "13900000001"}})
    assert (made.status_code, made.json()["person"]) == (201, "0017")
    assert asked(client, school, "principal", "GET", "0017/grants").json() == {"items": []}
    [change] = changes(client, school)
    assert change["what"] == "person_added" and change["about"]["addresses"] == ["phone"]
    again = asked(client, school, "principal", "POST", "", new)
    assert (again.status_code, again.json()["fields"][0]["field"]) == (422, "person")
    namesake = asked(client, school, "principal", "POST", "", {**new, "person": "0018"})
    assert (namesake.status_code, namesake.json()["fields"][0]["field"]) == (422, "staff_number")
    assert "'0042' is '0017''s" in namesake.json()["detail"]
    taken = asked(client, school, "principal", "PATCH", "teacher", {"staff_number": "0042"})
    assert taken.status_code == 422
    given_up = asked(client, school, "principal", "PATCH", "0017", {"staff_number": None})
    assert given_up.status_code == 200
    assert asked(client, school, "principal", "PATCH", "teacher", {"staff_number": "0042"}).status_code == 200


def test_the_same_staff_number_may_be_somebody_else_s_at_another_school(client: httpx.Client, school: School) -> None:
    with_number = asked(client, school, "principal", "POST", "", NEW)
    assert with_number.status_code == 201
    beside = School("beside")
    refused = client.post("/api/v1/people", json=NEW, headers=beside.headers("principal"))
    assert refused.status_code == 403, "he is no administrator there"


@pytest.mark.parametrize(
    "key", ["me", "groups", "changes", "departments", "A", "a b", "a/b", "a@b", "", "x" * 65, ".."]
)
def test_a_key_that_could_be_mistaken_is_refused(key: str, client: httpx.Client, school: School) -> None:
    refused = asked(client, school, "principal", "POST", "", {**NEW, "person": key})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "person")


def test_a_department_is_made_renamed_and_listed(client: httpx.Client, school: School) -> None:
    named = {"name": {"zh": "汽车工程系", "en": "Automotive"}, "confirmed": True}  # nobody is there yet who could act
    assert asked(client, school, "principal", "PUT", "departments/XB5", named).json() == {
        "code": "XB5", "name": "Automotive", "external": False,
    }  # fmt: skip
    renamed = {"confirmed": True, "name": {"zh": "汽修系", "en": "Cars"}, "external": True, "owes_monthly": False}
    assert asked(client, school, "principal", "PUT", "departments/XB5", renamed).status_code == 200
    listed = asked(client, school, "teacher", "GET", "departments").json()["items"]
    assert {"code": "XB5", "name": "Cars", "external": True} in listed and len(listed) == 5
    refused = asked(client, school, "principal", "PUT", "departments/XB6", renamed)
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "name.zh")
