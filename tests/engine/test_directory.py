"""Who may act as whom on a day: by grant, by seat, by somebody's absence; and memory's short cuts find the same."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.actor import Grant
from engine.directory import AT, Absence, Directory, Group, Organisation, Person, Seat, days_of_change
from engine.errors import Text
from engine.store import people
from engine.store.database import Connection, Database
from tests.builders import a_database
from tests.databases import Kind

HERE, BUREAU = "here", "bureau"
DAY = date(2020, 3, 2)
LATER = DAY + timedelta(days=10)
NAME = Text("组", "Group")


def somebody(key: str, **more: object) -> Person:
    return replace(Person(HERE, key, key), **more)  # type: ignore[arg-type]  # fields by name


def a_directory(**more: object) -> Directory:
    """Alice and Bob of here, Alice's second account, and a contact at the bureau."""
    known = {
        "alice": somebody("alice", human="h", department="HQC"), "alice2": somebody("alice2", human="h"),
        "bob": somebody("bob"), "carl@bureau": Person(BUREAU, "carl", "Carl"),
    }  # fmt: skip
    return replace(Directory(HERE, known), **more)  # type: ignore[arg-type]  # fields by name


def away(delegate: str | None, *duties: str, person: str = "alice") -> Absence:
    return Absence("x", person, DAY, LATER, delegate, frozenset(duties))


# --- grants and seats ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seat, holds",
    [
        (Seat("person", "alice"), True),
        (Seat("person", "bob"), False),
        (Seat("role", "teacher"), True),
        (Seat("role", "driver"), False),  # a role she holds only later
        (Seat("role", "patrol"), False),  # seats do not nest: a group is no member of a group
        (Seat("person", "alice", valid_from=DAY, valid_until=DAY), True),
        (Seat("person", "alice", valid_until=DAY - timedelta(days=1)), False),
        (Seat("person", "alice", valid_from=DAY + timedelta(days=1)), False),
    ],
)
def test_a_seat_is_held_by_its_person_or_by_whoever_holds_its_role(seat: Seat, holds: bool) -> None:
    directory = a_directory(
        grants={"alice": (Grant("teacher", "HQC"), Grant("driver", valid_from=LATER))},
        groups=(Group("patrol", NAME, (Seat("person", "alice"),)), Group("board", NAME, (seat,))),
    )
    assert (Grant("board") in directory.grants_on("alice", DAY)) is holds


def test_who_is_no_longer_active_acts_as_nobody_and_holds_nothing() -> None:
    directory = a_directory(grants={"bob": (Grant("teacher"),)})
    gone = replace(directory, people={**directory.people, "bob": somebody("bob", active=False)})
    assert directory.holders("teacher", DAY) == [("bob", "*")]
    assert gone.actor("bob", DAY) is None and gone.holders("teacher", DAY) == [] and list(gone.actors("bob", DAY)) == []
    assert gone.actor("nobody", DAY) is None


def test_somebody_of_another_organisation_says_where_he_is_at_home() -> None:
    directory = a_directory(grants={"carl@bureau": (Grant("bureau"),)})
    carl, alice = directory.actor("carl@bureau", DAY), directory.actor("alice", DAY)
    assert carl is not None and alice is not None
    assert (carl.organisation, carl.home, alice.home) == (HERE, BUREAU, None)


# --- delegation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "absence, day, roles, relations",
    [
        (away("bob"), DAY, {"teacher", "driver"}, True),
        (away("bob"), LATER, {"teacher", "driver"}, True),
        (away("bob", "teacher"), DAY, {"teacher"}, False),
        (away("bob", "nothing"), DAY, set(), False),
        (away("bob"), LATER + timedelta(days=1), None, None),
        (away("bob"), DAY - timedelta(days=1), None, None),
        (away(None), DAY, None, None),
    ],
)
def test_a_delegate_has_the_duties_handed_on_and_none_of_his_own(
    absence: Absence, day: date, roles: set[str] | None, relations: bool | None
) -> None:
    directory = a_directory(
        grants={"alice": (Grant("teacher"), Grant("driver")), "bob": (Grant("principal"),)}, absences=(absence,)
    )
    actor = directory.actor_for("bob", "alice", day)
    if roles is None:
        assert actor is None and len(list(directory.actors("bob", day))) == 1
        return
    assert actor is not None
    assert ({grant.role for grant in actor.grants}, actor.in_relations) == (roles, relations)
    assert (actor.person, actor.on_behalf_of, actor.department) == ("bob", "alice", "HQC")
    assert actor.selves == {"bob", "alice", "alice2"}, "separation looks at every account of both"


@pytest.mark.parametrize("delegate", ["alice", "alice2"])
def test_nobody_represents_himself_under_whatever_account(delegate: str) -> None:
    directory = a_directory(absences=(away(delegate),))
    assert directory.delegations_to(delegate, DAY) == [] and directory.actor_for(delegate, "alice", DAY) is None


def test_delegation_does_not_go_on_from_hand_to_hand() -> None:
    directory = a_directory(
        grants={"alice": (Grant("teacher"),)}, absences=(away("bob"), away("carl@bureau", person="bob"))
    )
    acting = [actor.on_behalf_of for actor in directory.actors("carl@bureau", DAY)]
    assert acting == [None, "bob"]
    assert all(not actor.grants for actor in directory.actors("carl@bureau", DAY))


def test_the_directory_changes_on_the_days_its_spans_begin_and_after_they_end() -> None:
    directory = a_directory(
        grants={"bob": (Grant("teacher", valid_until=DAY + timedelta(days=2)), Grant("x", valid_until=date.max))},
        groups=(Group("patrol", NAME, (Seat("person", "bob", valid_from=DAY + timedelta(days=5)),)),),
        absences=(away("bob"),),
    )
    assert days_of_change(directory, DAY, LATER) == [DAY, DAY + timedelta(days=3), DAY + timedelta(days=5)]


# --- memory's short cuts -------------------------------------------------------------------------------------------------

KEYS = ("a", "b", "c", "a@bureau", "z@bureau")
ROLES = ("teacher", "head", "patrol")  # the last is a group as well
DAYS = [DAY + timedelta(days=n) for n in range(-1, 4)]

day = st.none() | st.sampled_from(DAYS)
grants = st.builds(Grant, st.sampled_from(ROLES), st.sampled_from(["*", "HQC"]), day, day)
seats = st.builds(
    Seat, st.sampled_from(["person"]), st.sampled_from(KEYS), st.just("member"), day, day
) | st.builds(Seat, st.sampled_from(["role"]), st.sampled_from(ROLES), st.just("member"), day, day)  # fmt: skip
absences = st.builds(
    Absence, st.uuids().map(str), st.sampled_from(KEYS), st.sampled_from(DAYS), st.sampled_from(DAYS),
    st.none() | st.sampled_from(KEYS), st.frozensets(st.sampled_from(ROLES), max_size=2),
)  # fmt: skip


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """Any directory of five accounts, two of them the bureau's; what is said of it need not be wise."""
    known = {}
    for key in KEYS:
        own, _, home = key.partition("@")
        human = draw(st.none() | st.sampled_from(["h1", "h2"]))
        known[key] = Person(home or HERE, own, key, active=draw(st.booleans()), human=human)
    held = {key: tuple({(g.role, g.scope): g for g in draw(st.lists(grants, max_size=3))}.values()) for key in KEYS}
    groups = tuple(
        Group(code, NAME, tuple({(s.kind, s.holder): s for s in draw(st.lists(seats, max_size=4))}.values()))
        for code in ("board", "patrol")
    )
    return Directory(HERE, known, held, groups, tuple(draw(st.lists(absences, max_size=3, unique_by=lambda a: a.id))))


class _UndoneError(Exception):
    """Ends a transaction of which nothing shall stay."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[Database]:
    made = a_database(tmp_path_factory.mktemp("directory"), kind)
    yield made
    made.close()


@contextlib.contextmanager
def written(database: Database, directory: Directory) -> Iterator[Connection]:
    """The directory in the database, until the block ends."""
    with contextlib.suppress(_UndoneError), database.write_across() as connection:
        for organisation in (HERE, BUREAU):
            people.add_organisation(connection, Organisation(organisation, NAME))
        for person in directory.people.values():
            people.add_person(connection, person)
        for key, held in directory.grants.items():
            for grant in held:
                people.give(connection, HERE, key, grant)
        for group in directory.groups:
            people.set_group(connection, HERE, group)
        for absence in directory.absences:
            people.add_absence(connection, HERE, absence)
        yield connection
        raise _UndoneError


any_directory = given(directories())
on_one_school = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@on_one_school
@any_directory
def test_what_is_read_around_one_person_makes_the_same_actors_as_the_whole(
    database: Database, directory: Directory
) -> None:
    with written(database, directory) as connection:
        for key in KEYS:
            around = people.directory_around(connection, HERE, key)
            for today in DAYS:
                assert list(around.actors(key, today)) == list(directory.actors(key, today))
                assert people.actor(connection, HERE, key, today) == directory.actor(key, today)


@on_one_school
@any_directory
def test_what_is_read_around_several_makes_the_same_actors_as_the_whole(
    database: Database, directory: Directory
) -> None:
    with written(database, directory) as connection:
        around = people.directory_around(connection, HERE, *KEYS, "nobody", "nobody@nowhere")
        for key in KEYS:
            for today in DAYS:
                assert list(around.actors(key, today)) == list(directory.actors(key, today))
        assert "nobody" not in around.people


@on_one_school
@any_directory
def test_holders_are_found_in_sql_as_the_directory_finds_them(database: Database, directory: Directory) -> None:
    with written(database, directory) as connection:
        for role in (*ROLES, "board", "nothing"):
            for today in DAYS:
                held = people.holders(connection, HERE, role, today)
                assert len(held) == len(set(held))
                active = {(key, scope) for key, scope in held if directory.people[key].active}
                assert active == set(directory.holders(role, today))


@on_one_school
@any_directory
def test_a_directory_read_back_says_the_same_of_everybody(database: Database, directory: Directory) -> None:
    with written(database, directory) as connection:
        again = people.directory(connection, HERE)
        for key in KEYS:
            for today in DAYS:
                actors = list(directory.actors(key, today))
                if key in again.people:
                    assert list(again.actors(key, today)) == actors
                else:  # a stranger whom nothing here names is nobody's business, and can do nothing
                    assert AT in key and not any(actor.grants or actor.on_behalf_of for actor in actors)
