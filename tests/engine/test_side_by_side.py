"""Many at once, on connections of their own: what two of them do in the same moment comes out as if one had gone first."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from engine.actor import system
from engine.commands import Asked, FireTrigger, OpenCase, OpenPeriod
from engine.errors import InvalidInput, NotPossibleNow, StaleCase
from engine.handle import Done, Outcome, Refused, handle
from engine.store import cases, files, refusals
from engine.store.tables import CaseRow
from tests.databases import Kind, on_postgresql
from tests.engine.fakes import HERE, THERE, WITH_ERRANDS, School, a_school, local

MANY = 8
ERRAND = OpenCase("errand", {"title": "取快递", "department": "HQC"})


@pytest.fixture
def school(tmp_path: Path, kind: Kind) -> Iterator[School]:
    with a_school(tmp_path, kind, catalog=WITH_ERRANDS) as school:
        yield school


def at_once(school: School, groups: Sequence[Sequence[Asked]]) -> list[list[Outcome]]:
    """Each group in a thread of its own; none begins before all are there."""
    gate = threading.Barrier(len(groups))

    def carry_out(group: Sequence[Asked]) -> list[Outcome]:
        gate.wait(timeout=30)
        return handle(school.engine, group)

    with ThreadPoolExecutor(len(groups)) as pool:
        return [outcomes.result(timeout=60) for outcomes in [pool.submit(carry_out, group) for group in groups]]


def kinds(outcomes: Sequence[Sequence[Outcome]]) -> Counter[type]:
    return Counter(type(outcome) for group in outcomes for outcome in group)


def test_one_key_opens_one_case(school: School) -> None:
    asked = school.asked("bob", ERRAND, key="k1")
    outcomes = [outcome for [outcome] in at_once(school, [[asked]] * MANY)]
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    assert len(done) == MANY, outcomes
    assert len({one.event.hash for one in done}) == 1
    assert Counter(one.replayed for one in done) == {False: 1, True: MANY - 1}
    assert school.count(CaseRow) == 1
    assert school.errand() == "BG-2019-0002", "no number was lost to those that came second"


def test_a_step_asked_of_one_revision_is_taken_once(school: School) -> None:
    number = school.errand()
    asked = school.asked("bob", FireTrigger(number, "run", {}, expected_revision=1))
    outcomes = [outcome for [outcome] in at_once(school, [[asked]] * MANY)]
    refused = [outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)]
    assert Counter(map(type, outcomes)) == {Done: 1, Refused: MANY - 1}
    assert all(isinstance(refusal, StaleCase | NotPossibleNow) for refusal in refused)
    assert len(school.assert_history_holds(number)) == 2


def test_what_was_refused_at_once_is_logged_once_each(school: School) -> None:
    number = school.errand()
    groups = [[school.asked("charlie", FireTrigger(number, "run", {}))] * 3 for _ in range(MANY)]
    assert kinds(at_once(school, groups)) == {Refused: 3 * MANY}
    with school.engine.database.read_across() as connection:
        assert refusals.count(connection, HERE) == 3 * MANY


def test_groups_that_speak_of_the_same_cases_the_other_way_round_do_not_wait_for_each_other(school: School) -> None:
    numbers = [school.errand() for _ in range(6)]
    forth = [school.asked("bob", FireTrigger(number, "run", {}), key=f"forth {number}") for number in numbers]
    back = [school.asked("bob", FireTrigger(number, "run", {}), key=f"back {number}") for number in reversed(numbers)]
    outcomes = at_once(school, [forth, back] * (MANY // 2))
    assert kinds(outcomes)[Done] + kinds(outcomes)[Refused] == MANY * len(numbers), outcomes
    for number in numbers:
        assert len(school.assert_history_holds(number)) == 2


def test_many_merged_into_one_at_once_are_all_known_to_it(school: School) -> None:
    target, other = school.assigned(), school.assigned()
    reports = [school.report() for _ in range(MANY)]
    groups = [
        [
            school.asked("sam", FireTrigger(number, "merge", {"into": target, "reason": "同一处"})),
            school.asked("sam", into_other),
        ]
        for number, into_other in zip(reports[::2], _merges(reports[1::2], other), strict=True)
    ]
    outcomes = at_once(school, [group if n % 2 else group[::-1] for n, group in enumerate(groups)])
    assert kinds(outcomes) == {Done: MANY}, outcomes
    for number, merged in ((target, reports[::2]), (other, reports[1::2])):
        assert {link.number for link in school.case(number).links if link.kind == "absorbed"} == {*merged}
        school.assert_history_holds(number)


def _merges(numbers: Sequence[str], into: str) -> list[FireTrigger]:
    return [FireTrigger(number, "merge", {"into": into, "reason": "同一处"}) for number in numbers]


def test_numbers_drawn_at_once_have_no_gap_and_no_double(school: School) -> None:
    groups = [[school.asked("bob", ERRAND)] * 5 for _ in range(MANY)]
    done = [one for group in at_once(school, groups) for one in group if isinstance(one, Done)]
    assert sorted(one.case.number for one in done) == [f"BG-2019-{n:04d}" for n in range(1, 5 * MANY + 1)]


@on_postgresql  # in a file nobody waits for one case
def test_what_a_step_refers_to_is_what_there_is_once_the_case_is_free(school: School) -> None:
    number, photo, database = school.assigned(), school.upload("b" * 64), school.engine.database
    fix = school.asked("alice", FireTrigger(number, "fix", {"measure": "已更换", "photos_after": [photo]}))
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with ThreadPoolExecutor(1) as pool:
        with database.write(HERE) as connection:
            cases.load(connection, HERE, number, lock=True)
            asking = pool.submit(handle, school.engine, [fix])
            waits = 0
            while not waits and not asking.done():
                with database.own() as looking:
                    waits = looking.execute(waiting).scalar_one()
            with database.write_across() as sweeping:
                assert (HERE, photo) in files.sweep(sweeping, school.clock.now() + timedelta(days=8))
        [outcome] = asking.result(timeout=60)
    assert isinstance(outcome, Refused) and isinstance(outcome.refusal, InvalidInput), outcome


def test_a_group_that_met_another_is_tried_again_as_a_whole(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database gave up because of somebody else is nobody's fault, and nobody hears of it."""
    numbers = [school.errand() for _ in range(2)]
    loading, met = cases.loading, [1]

    def meets_somebody(organisation: str, number: str, *, lock: bool = False) -> Any:
        if met:
            met.pop()
            raise OperationalError("SELECT", None, DeadlockDetected())
        return loading(organisation, number, lock=lock)

    monkeypatch.setattr(cases, "loading", meets_somebody)
    outcomes = school.handle(*(school.asked("bob", FireTrigger(number, "run", {})) for number in numbers))
    assert [type(outcome) for outcome in outcomes] == [Done, Done]
    assert not met


# --- one that cannot be taken with the others ---------------------------------------------------------------------------


def test_a_number_no_database_takes_is_unknown_and_spoils_nobody_elses_command(school: School) -> None:
    number = school.errand()
    good = school.asked("bob", FireTrigger(number, "run", {}))
    bad = school.asked("bob", FireTrigger("BG-2019-0001\0", "run", {}))
    outcomes = school.handle(bad, good, bad)
    assert [type(outcome) for outcome in outcomes] == [Refused, Done, Refused]
    assert [o.refusal.code for o in outcomes if isinstance(o, Refused)] == ["unknown_case", "unknown_case"]


def test_a_case_that_cannot_be_read_fails_alone(school: School) -> None:
    broken, *others = [school.errand() for _ in range(4)]
    spoil(school, "UPDATE case_record SET body = '{}' WHERE number = :number", number=broken)
    ticked = school.at("2019-12-04 08:00").tick()
    assert ticked.reminded == len(others)
    assert [getattr(asked.command, "case", None) for asked, _ in ticked.failed] == [broken]


def test_the_cases_of_a_school_whose_calendar_cannot_be_read_fail_alone(school: School) -> None:
    here = school.errand()
    school.do(school.actor("alice", THERE), OpenCase("errand", {"title": "取快递"}))
    spoil(school, "UPDATE calendar SET body = '{}' WHERE organisation = :organisation", organisation=THERE)
    ticked = school.at("2019-12-04 08:00").tick()
    assert (ticked.reminded, len(ticked.failed)) == (1, 1)
    assert len(school.reminders(here)) == 1


def spoil(school: School, statement: str, **values: str) -> None:
    """As nothing of ours would leave it."""
    with school.engine.database.write_across() as connection:
        connection.execute(text(statement), values)


def test_two_groups_that_open_the_same_periods_in_opposite_order_open_each_once(school: School) -> None:
    scopes = ["HQC", "JWC", "DZB"]
    for scope in scopes:
        school.owe("daily_round", scope, "2019-12-02")
    school.at("2019-12-03 08:00")
    opened = [
        OpenPeriod("daily_round", "round", scope, f"2019-12-0{day}", local(f"2019-12-0{day} 00:00"), local(f"2019-12-0{day} 23:59:59"))
        for scope in scopes for day in (2, 3)
    ]  # fmt: skip
    asked = [Asked(system(HERE), command) for command in opened]
    outcomes = at_once(school, [asked, asked[::-1]] * 4)
    done = [one for group in outcomes for one in group if isinstance(one, Done)]
    assert len(done) == len(opened)
    assert len(school.periods()) == len(opened)
