from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from engine.actor import Grant
from engine.directory import Department, Person
from engine.errors import Text
from engine.store import accounts, people
from tests.engine.fakes import HERE, START, THERE, School, local

NOW = local(START)
TODAY = date(2019, 12, 2)


def meant(school: School, number: str, *audience: str, day: date = TODAY) -> list[str]:
    with school.engine.database.read_across() as connection:
        return [recipient.person for recipient in people.recipients(connection, HERE, number, audience, day)]


# --- who is meant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "audience, persons",
    [
        (["assignee"], ["alice"]),
        (["reporter"], ["charlie"]),
        (["assigner"], ["sam"]),
        (["dept_head"], ["bob"]),
        (["dept_safety"], ["dora"]),
        (["dept_safety_of_another_department"], ["erin"]),
        (["safety_staff", "safety_head"], ["sam", "helen"]),
        (["acceptance_group"], ["gao", "gu"]),
        (["safety_head", "dept_head", "safety_head"], ["helen", "bob"]),
        (["verifier"], []),
        (["secretary"], []),
    ],
)
def test_roles_and_relations_mean_their_holders_each_once_and_in_order(
    school: School, audience: list[str], persons: list[str]
) -> None:
    assert meant(school, school.assigned(), *audience) == persons


def test_a_case_nobody_knows_means_nobody(school: School) -> None:
    assert meant(school, "YH-2019-0099", "safety_head") == []


def test_whoever_holds_the_role_at_the_moment_of_asking_is_meant(school: School) -> None:
    number = school.assigned()
    with school.engine.database.write_across() as connection:
        people.withdraw(connection, HERE, "bob", "dept_head", "HQC", date(2019, 12, 10))
        people.give(connection, HERE, "dora", Grant("dept_head", "HQC", valid_from=date(2019, 12, 11)))
    assert meant(school, number, "dept_head", day=date(2019, 12, 10)) == ["bob"]
    assert meant(school, number, "dept_head", day=date(2019, 12, 11)) == ["dora"]


def test_nobody_who_left_is_told(school: School) -> None:
    number = school.assigned()
    with school.engine.database.write_across() as connection:
        connection.execute(text("UPDATE person SET active = false WHERE person IN ('alice', 'bob')"))
    assert meant(school, number, "assignee", "dept_head", "safety_head") == ["helen"]


def test_a_role_for_the_whole_school_is_no_role_of_another_department(school: School) -> None:
    with school.engine.database.write_across() as connection:
        people.give(connection, HERE, "sam", Grant("dept_safety"))
    number = school.assigned()
    assert meant(school, number, "dept_safety") == ["dora", "sam"]
    assert meant(school, number, "dept_safety_of_another_department") == ["erin"]


# --- grants ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "grant, days",
    [
        (Grant("r"), ["2019-12-01", "2019-12-02", "2019-12-03"]),
        (Grant("r", valid_from=date(2019, 12, 2)), ["2019-12-02", "2019-12-03"]),
        (Grant("r", valid_until=date(2019, 12, 2)), ["2019-12-01", "2019-12-02"]),
        (Grant("r", valid_from=date(2019, 12, 2), valid_until=date(2019, 12, 2)), ["2019-12-02"]),
    ],
    ids=["always", "from", "until", "one day"],
)
def test_a_grant_holds_on_its_first_and_on_its_last_day(school: School, grant: Grant, days: Iterable[str]) -> None:
    with school.engine.database.write_across() as connection:
        people.add_person(connection, Person(HERE, "new", "New", "HQC"), [grant])
        actors = {day: people.actor(connection, HERE, "new", date(2019, 12, day)) for day in (1, 2, 3)}
    held = [f"2019-12-{day:02}" for day, actor in actors.items() if actor and actor.holds_any(["r"])]
    assert held == days


def test_granting_again_sets_the_dates_anew_and_a_withdrawn_grant_stays_on_record(school: School) -> None:
    with school.engine.database.write_across() as connection:
        people.withdraw(connection, HERE, "bob", "dept_head", "HQC", TODAY)
        assert people.grants_of(connection, HERE, "bob") == [Grant("dept_head", "HQC", None, TODAY)]
        people.give(connection, HERE, "bob", Grant("dept_head", "HQC"))
        assert people.grants_of(connection, HERE, "bob") == [Grant("dept_head", "HQC")]


def test_an_actor_is_somebody_active_of_this_school(school: School) -> None:
    with school.engine.database.write_across() as connection:
        connection.execute(text("UPDATE person SET active = false WHERE person = 'bob'"))
        assert people.actor(connection, HERE, "bob", TODAY) is None
        assert people.actor(connection, HERE, "mallory", TODAY) is None
        found = people.actor(connection, THERE, "mallory", TODAY)
    assert found is not None
    assert (found.organisation, found.principal, frozenset(g.scope for g in found.grants if g.role == "safety_staff")) == (
        THERE, "person:mallory", frozenset({"*"}),
    )  # fmt: skip


def test_the_directory_of_one_school_is_not_anothers(school: School) -> None:
    with school.engine.database.write_across() as connection:
        people.add_department(connection, Department(THERE, "NEW", Text("新", "New")))
        assert people.department_exists(connection, THERE, "NEW")
        assert not people.department_exists(connection, HERE, "NEW")
        assert set(people.names(connection, THERE)) == {"mallory", "alice"}
        assert [person.person for person in people.people(connection, THERE)] == ["alice", "mallory"]
        assert [o.organisation for o in people.organisations(connection)] == [THERE, HERE]


# --- tokens ----------------------------------------------------------------------------------------------------------

TOKEN = "bh_school_0123456789abcdef"


def add(school: School, expires_at: datetime | None = None) -> None:
    with school.engine.database.write_across() as connection:
        accounts.add_token(connection, HERE, "bob", TOKEN, "phone", NOW, expires_at)


def whose(school: School, token: str, now: datetime = NOW) -> tuple[str, str] | None:
    with school.engine.database.read_across() as connection:
        found = accounts.signed_in(connection, token, now)
        return None if found is None else (found.organisation, found.person)


def test_a_living_token_says_whose_it_is(school: School) -> None:
    add(school)
    assert whose(school, TOKEN) == (HERE, "bob")
    assert whose(school, TOKEN + "x") is None
    assert whose(school, accounts.token_hash(TOKEN)) is None, "its hash opens nothing"


def test_of_a_token_only_its_hash_and_its_beginning_are_kept(school: School) -> None:
    add(school)
    with school.engine.database.read_across() as connection:
        rows = connection.execute(text("SELECT * FROM token")).all()
        [shown] = accounts.tokens(connection, HERE)
    assert TOKEN not in repr(rows)
    assert accounts.token_hash(TOKEN) in repr(rows)
    assert (shown["prefix"], shown["person"], shown["label"]) == (TOKEN[:12], "bob", "phone")
    assert "token_hash" not in shown


def test_a_token_ends_at_its_instant(school: School) -> None:
    add(school, NOW + timedelta(days=1))
    assert whose(school, TOKEN, NOW + timedelta(days=1, microseconds=-1)) == (HERE, "bob")
    assert whose(school, TOKEN, NOW + timedelta(days=1)) is None


def test_a_revoked_token_signs_nobody_in(school: School) -> None:
    add(school)
    with school.engine.database.write_across() as connection:
        assert accounts.revoke_token(connection, THERE, TOKEN[:12], NOW) == 0, "another school cannot revoke it"
        assert accounts.revoke_token(connection, HERE, TOKEN[:12], NOW) == 1
        assert accounts.revoke_token(connection, HERE, TOKEN[:12], NOW) == 0
    assert whose(school, TOKEN) is None
