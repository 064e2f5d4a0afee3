from datetime import timedelta

import pytest

from engine.store import answers
from engine.store.answers import Answer
from tests.engine.fakes import HERE, START, THERE, School, local

NOW = local(START)
WHOSE = (HERE, "person:bob", "POST /hazards", "k")
ANSWER = Answer("h" * 64, "X-2019-0001", 3)


def test_a_key_stands_for_its_answer_until_its_thirty_days_are_over(school: School) -> None:
    with school.engine.database.write_across() as connection:
        answers.keep(connection, *WHOSE, ANSWER, NOW)
        assert answers.find(connection, *WHOSE, NOW + timedelta(days=30, microseconds=-1)) == ANSWER
        assert answers.find(connection, *WHOSE, NOW + timedelta(days=30)) is None


@pytest.mark.parametrize(
    "organisation, principal, route, key",
    [
        (THERE, "person:bob", "POST /hazards", "k"),
        (HERE, "person:alice", "POST /hazards", "k"),
        (HERE, "person:bob", "POST /drills", "k"),
        (HERE, "person:bob", "POST /hazards", "k2"),
    ],
)
def test_a_key_is_one_schools_one_persons_and_one_routes(
    school: School, organisation: str, principal: str, route: str, key: str
) -> None:
    with school.engine.database.write_across() as connection:
        answers.keep(connection, *WHOSE, ANSWER, NOW)
        assert answers.find(connection, organisation, principal, route, key, NOW) is None


def test_a_key_whose_time_is_over_may_stand_for_something_else(school: School) -> None:
    later = NOW + timedelta(days=31)
    with school.engine.database.write_across() as connection:
        answers.keep(connection, *WHOSE, ANSWER, NOW)
        answers.keep(connection, *WHOSE, Answer("i" * 64, "X-2019-0002", 1), later)
        found = answers.find(connection, *WHOSE, later)
    assert found == Answer("i" * 64, "X-2019-0002", 1)


def test_sweeping_forgets_only_the_keys_whose_time_is_over(school: School) -> None:
    with school.engine.database.write_across() as connection:
        answers.keep(connection, *WHOSE, ANSWER, NOW)
        answers.keep(connection, *WHOSE[:3], "k2", ANSWER, NOW + timedelta(days=1))
        assert answers.sweep(connection, NOW + timedelta(days=30)) == 1
        assert answers.find(connection, *WHOSE[:3], "k2", NOW + timedelta(days=30)) == ANSWER
