"""A case says to whoever reads it which steps are his, in whose name, and why the others are not; a refusal says who could."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from api.bootstrap import Runtime
from engine.actor import Grant
from engine.directory import Absence
from engine.store import people
from engine.store.statements import Statement
from tests.builders import START, School

DAY = START.date()


def opened(client: httpx.Client, school: School, upto: str) -> str:
    """The address of a repair that has come as far as `upto`, in the hands of the repairer."""
    answer = client.post(
        "/api/v1/repairs", json={"title": "插座松动", "place": "A-101"}, headers=school.headers("teacher")
    )
    path = f"/api/v1/repairs/{answer.json()['number']}"
    steps: list[tuple[str, str, str, dict[str, Any]]] = [
        ("assigned", "assign", "safety_staff", {"assignee": "repairer"}),
        ("fixed", "fix", "repairer", {"done": "换了插座"}),
        ("verified", "verify", "hqc_safety", {}),
    ]
    for state, trigger, person, body in steps:
        if answer.json()["state"] == upto:
            break
        answer = client.post(f"{path}/{trigger}", json=body, headers=school.headers(person))
        assert (answer.status_code, answer.json()["state"]) == (200, state), answer.text
    return path


def steps_of(client: httpx.Client, school: School, path: str, person: str) -> dict[str, dict[str, Any]]:
    answer = client.get(path, headers=school.headers(person, Accept_Language="zh"))
    assert answer.status_code == 200, answer.text
    return {step["trigger"]: step for step in answer.json()["steps"]}


def away(runtime: Runtime, person: str, delegate: str | None, *duties: str) -> None:
    with runtime.database.write_across() as connection:
        absence = Absence("a1", person, DAY, DAY + timedelta(days=9), delegate, frozenset(duties))
        people.add_absence(connection, "school", absence)


#: person, step of a repair that is fixed → possible, code, reason of why not
SEEN_BY: list[tuple[str, str, bool, str | None, str | None]] = [
    ("hqc_safety", "verify", True, None, None),
    ("hqc_safety", "return", False, "not_allowed", "role"),
    ("safety_staff", "verify", True, None, None),
    ("safety_staff", "return", True, None, None),
    ("repairer", "verify", False, "not_allowed", "role"),
    ("principal", "verify", False, "not_allowed", "role"),
]


@pytest.mark.parametrize(("person", "step", "possible", "code", "reason"), SEEN_BY)
def test_each_step_says_whether_it_is_the_reader_s(
    person: str, step: str, possible: bool, code: str | None, reason: str | None, client: httpx.Client, school: School
) -> None:
    path = opened(client, school, "fixed")
    offered = steps_of(client, school, path, person)
    assert set(offered) == {"verify", "return"}
    assert offered[step]["possible"] is possible
    why_not = offered[step]["why_not"]
    assert (why_not and why_not["code"], why_not and why_not["reason"]) == (code, reason)


def test_what_is_offered_is_what_is_then_carried_out(client: httpx.Client, school: School) -> None:
    """Each step of each state, each person: the offer and the step itself say the same."""
    body = {
        "assign": {"assignee": "repairer2"}, "fix": {"done": "换了插座"}, "return": {"why": "不亮"},
    }  # fmt: skip
    for state in ("reported", "assigned", "fixed", "verified"):
        for person in ("safety_staff", "repairer", "repairer2", "hqc_safety", "safety_head"):
            path = opened(client, school, state)
            for trigger, step in steps_of(client, school, path, person).items():
                tried = opened(client, school, state)
                answer = client.post(f"{tried}/{trigger}", json=body.get(trigger, {}), headers=school.headers(person))
                assert (answer.status_code == 200) == step["possible"], (state, person, trigger, answer.text)


def test_the_fixer_reads_that_he_may_not_verify_and_who_may(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    path = opened(client, school, "fixed")
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "repairer", Grant("dept_safety", "HQC"))
    why_not = steps_of(client, school, path, "repairer")["verify"]["why_not"]
    assert why_not["reason"] == "separation"
    assert why_not["could"] == [
        {"post": "安稳办专职", "department": "DZB", "person": None, "name": None},
        {"post": "部门安全员", "department": "HQC", "person": None, "name": None},
    ]
    assert "repairer" not in str(why_not["could"])
    refused = client.post(f"{path}/verify", headers=school.headers("repairer")).json()
    assert [holder["post"] for holder in refused["could"]] == ["安稳办专职", "部门安全员"]
    assert "安稳办专职、部门安全员" in refused["remedy"]


def test_names_are_told_only_to_who_may_see_every_case(client: httpx.Client, school: School) -> None:
    path = opened(client, school, "fixed")
    teacher = client.post(f"{path}/verify", headers=school.headers("teacher")).json()
    principal = client.post(f"{path}/verify", headers=school.headers("principal")).json()
    assert [holder.get("name") for holder in teacher["could"]] == [None, None]
    assert [holder.get("person") for holder in principal["could"]] == ["safety_staff", "hqc_safety"]
    told = client.get(path, headers=school.headers("principal")).json()["steps"]
    assert told[0]["why_not"]["could"][0]["person"] == "safety_staff"


def test_who_could_is_found_without_reading_the_whole_school(
    client: httpx.Client, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = opened(client, school, "fixed"), []
    headers = school.headers("principal")
    made = Statement.made

    def listen_past_sqlalchemy(statement: Statement, *about: Any) -> Any:
        asked.append(" ".join(made(statement, *about).sql.split()))
        return made(statement, *about)

    monkeypatch.setattr(Statement, "made", listen_past_sqlalchemy)

    def listen(*about: Any) -> None:
        asked.append(about[2])

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        told = client.get(path, headers=headers).json()["steps"]
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert any(step["why_not"]["could"] for step in told if step["why_not"])
    people_read = [statement for statement in asked if "FROM person" in statement]
    assert people_read and all(
        "person.person" in statement.split("WHERE")[1].split("ORDER")[0] for statement in people_read
    )
    of_people = [said for said in asked if re.search("FROM (person|role_grant|seat|working_group|absence) ", said)]
    assert len(of_people) < 35, "looked up once for all steps, and not step by step"


def test_a_step_nobody_can_take_says_so(client: httpx.Client, runtime: Runtime, school: School) -> None:
    path = opened(client, school, "verified")
    with runtime.database.write_across() as connection:
        people.withdraw(connection, "school", "safety_head", "safety_head", "*", DAY - timedelta(days=1))
    refused = client.post(f"{path}/close", headers=school.headers("principal")).json()
    assert refused["could"] == []
    assert "目前无人可以办理" in refused["remedy"]


def test_a_condition_that_already_fails_is_told_before_the_form(client: httpx.Client, school: School) -> None:
    answer = client.post("/api/v1/repairs", json={"title": "漏电", "place": "B"}, headers=school.headers("teacher"))
    path = f"/api/v1/repairs/{answer.json()['number']}"
    client.post(f"{path}/assign", json={"assignee": "repairer", "urgency": 3}, headers=school.headers("safety_staff"))
    client.post(f"{path}/fix", json={"done": "换线"}, headers=school.headers("repairer"))
    step = steps_of(client, school, path, "safety_staff")["return"]
    assert (step["possible"], step["why_not"]["guard"]) == (False, "test_not_too_urgent")
    assert step["form"] == "ReturnRepair"


def test_a_delegate_is_offered_the_step_in_the_name_of_who_is_away(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    path = opened(client, school, "verified")
    assert client.get(path, headers=school.headers("driver")).status_code == 404
    away(runtime, "safety_head", "driver")
    step = steps_of(client, school, path, "driver")["close"]
    assert (step["possible"], step["on_behalf_of"]) == (True, "safety_head")
    own = steps_of(client, school, path, "safety_head")["close"]
    assert (own["possible"], own["on_behalf_of"]) == (True, None)


def test_a_delegate_is_not_offered_what_was_not_handed_on(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    away(runtime, "repairer", "repairer2", "repairer")  # the role, and not what he was assigned
    path = opened(client, school, "assigned")
    assert steps_of(client, school, path, "repairer2")["fix"]["possible"] is False


def test_what_waits_for_who_is_away_lies_before_his_delegate_too(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    mine, his = opened(client, school, "assigned"), opened(client, school, "verified")
    away(runtime, "safety_head", "repairer")
    items = client.get("/api/v1/worklist", headers=school.headers("repairer")).json()["items"]
    told = {item["number"]: item["on_behalf_of"] for item in items}
    assert told == {mine.rsplit("/", 1)[1]: None, his.rsplit("/", 1)[1]: "safety_head"}


def test_a_worklist_for_two_is_paged_in_the_order_of_the_deadlines(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    for _ in range(3):
        opened(client, school, "assigned"), opened(client, school, "verified")
    away(runtime, "safety_head", "repairer")
    whole = client.get("/api/v1/worklist", headers=school.headers("repairer")).json()["items"]
    paged, address = [], "/api/v1/worklist?limit=1"
    while True:
        page = client.get(address, headers=school.headers("repairer"))
        paged += page.json()["items"]
        if page.json()["next"] is None:
            break
        address = f"/api/v1/worklist?limit=1&cursor={page.json()['next']}"
    assert [item["number"] for item in paged] == [item["number"] for item in whole]
    assert len(whole) == 6
    assert [item["due_at"] for item in whole] == sorted(item["due_at"] for item in whole)


def test_a_delegate_who_forgets_in_whose_name_is_told_who_could(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    """He sees the case with the eyes of who is away, so it is no 404 that would send him looking for the number."""
    path = opened(client, school, "verified")
    away(runtime, "safety_head", "driver")
    answer = client.post(f"{path}/close", headers=school.headers("driver"))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_a_delegate_is_told_as_one_who_could_with_whom_he_represents(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    path = opened(client, school, "verified")
    away(runtime, "safety_head", "driver")
    could = client.post(f"{path}/close", headers=school.headers("principal")).json()["could"]
    assert [(holder["person"], holder["post"]) for holder in could] == [
        ("safety_head", "安稳办主任"),
        ("driver", "代办人 代 安稳办主任"),
    ]


def test_who_represents_the_fixer_is_not_told_as_one_who_could(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "repairer", Grant("safety_staff"))
    path = opened(client, school, "fixed")
    away(runtime, "repairer", "driver")
    could = client.post(f"{path}/verify", headers=school.headers("principal")).json()["could"]
    assert [holder["person"] for holder in could] == ["safety_staff", "hqc_safety"]


def test_nor_is_one_who_represents_somebody_and_fixed_it_himself(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    path = opened(client, school, "fixed")
    away(runtime, "safety_staff", "repairer")
    could = client.post(f"{path}/verify", headers=school.headers("principal")).json()["could"]
    assert [holder["person"] for holder in could] == ["safety_staff", "hqc_safety"]
