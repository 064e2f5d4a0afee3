from engine.store import policies
from tests.engine.fakes import HERE, START, THERE, School, local

NOW = local(START)


def test_nothing_is_set_until_a_school_sets_it(school: School) -> None:
    with school.engine.database.read_across() as connection:
        assert policies.in_force(connection, HERE, "hazard") == (0, {})


def test_the_latest_version_holds_whole(school: School) -> None:
    with school.engine.database.write_across() as connection:
        assert policies.set_(connection, HERE, "hazard", {"days3": 5, "days7": 9}, "vera", NOW) == 1
        assert policies.set_(connection, HERE, "hazard", {"days3": 4}, "vera", NOW) == 2
        assert policies.in_force(connection, HERE, "hazard") == (2, {"days3": 4})


def test_a_policy_is_one_schools_and_one_workflows(school: School) -> None:
    with school.engine.database.write_across() as connection:
        policies.set_(connection, HERE, "hazard", {"days3": 5}, "vera", NOW)
        assert policies.in_force(connection, THERE, "hazard") == (0, {})
        assert policies.in_force(connection, HERE, "drill") == (0, {})
