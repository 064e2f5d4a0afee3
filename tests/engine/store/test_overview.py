"""The overview's figures are those of the events until then, folded from nothing; and every list that is behind them finds as
many.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from statistics import median

import pytest

from engine.actor import Visibility
from engine.authority import may_see, visibility
from engine.case import Case
from engine.commands import OpenCase
from engine.events import Event
from engine.sealing import number
from engine.store import known, overview, periods, worklists
from engine.store.database import Connection
from engine.store.marks import REPORTS, Report
from engine.store.overview import Of
from engine.store.worklists import Filter
from tests.engine.fakes import HERE, THERE, School, local
from tests.engine.living import SEEN, everything_recorded, folded, live
from workflows.inspection import CYCLE
from workflows.roles import OVERSEERS

INSTANTS = 16  # of one history
BACK = ("return", "send_back")


@pytest.fixture
def lived(school: School) -> School:
    """What chance brings, and whatever it may have left out: one sent back and closed, one closed at once, one just reported."""
    live(school)
    sent_back = school.assigned()
    for who, trigger in (
        ("alice", "fix"),
        ("erin", "return"),
        ("alice", "fix"),
        ("erin", "verify"),
        ("helen", "approve"),
    ):
        school.later(hours=1).step(who, sent_back, trigger)
    school.later(days=2).closed()
    school.later(hours=1).report()
    number(school.engine.database, HERE)
    return school


def some_instants(recorded: dict[str, list[Event]]) -> list[datetime]:
    """Instants of events, and between them, and before and after all of them; by the run's own seed."""
    every = sorted({event.recorded_at for events in recorded.values() for event in events})
    between = [every[0] + (every[-1] - every[0]) * random.random() for _ in range(INSTANTS // 2)]
    return [every[0] - timedelta(seconds=1), every[-1], *random.sample(every, INSTANTS // 2), *between]


def counted(of: Of, cases: Sequence[Case]) -> Counter[tuple[object, ...]]:
    """(what figures are told by, how it stands) → how many."""
    found: Counter[tuple[object, ...]] = Counter()
    for case in cases:
        by = (case.organisation, case.workflow, case.department, case.category, case.level)
        if not case.final:
            found[*by, "open"] += 1
            found[*by, "overdue"] += case.overdue(of.at)
        elif case.closed_at is not None and case.closed_at >= of.since:
            found[*by, "closed"] += 1
    return +found


def told(connection: Connection, of: Of, bounds: Sequence[datetime]) -> Counter[tuple[object, ...]]:
    lines, _ = overview.figures(connection, of, bounds)
    found: Counter[tuple[object, ...]] = Counter(
        {
            (line.organisation, line.workflow, line.department, line.category, line.level, how): getattr(line, how)
            for line in lines
            for how in ("open", "overdue", "closed")
        }
    )
    return +found


@pytest.mark.parametrize("who", ["everything", "alice", "dora", "charlie"])
def test_figures_of_any_instant_are_those_of_the_events_until_then(lived: School, who: str) -> None:
    recorded = everything_recorded(lived)
    seen = SEEN if who == "everything" else visibility(lived.actor(who), OVERSEERS)
    visible = {case.number for case in folded(recorded, lived.clock.now()) if may_see(case, seen)}

    def known_at(at: datetime) -> list[Case]:
        return [case for case in folded(recorded, at) if case.number in visible]

    with lived.engine.database.read(HERE) as connection:
        for at in some_instants(recorded):
            bounds = [at - timedelta(days=9), at - timedelta(days=2), at + timedelta(days=1)]
            of = overview.as_seen(connection, Of((HERE,), seen, bounds[0], at))
            cases = known_at(at)
            assert told(connection, of, bounds) == counted(of, cases), at
            _, stretches = overview.figures(connection, of, bounds)
            for stretch in stretches:
                until = min(stretch.end, at)
                then = [case for case in known_at(until) if not case.final]
                assert stretch.until == until
                assert stretch.open == len(then)
                assert stretch.overdue == sum(case.overdue(until) for case in then)
                assert stretch.opened == sum(stretch.first <= case.opened_at < stretch.end for case in cases)
                closings = [case.closed_at for case in cases if case.closed_at is not None]
                assert stretch.closed == sum(stretch.first <= closed < stretch.end for closed in closings)
            closed = [case for case in cases if case.closed_at is not None and case.closed_at >= of.since]
            returned = [case for case in closed if case.counters.get("returned")]
            assert overview.closed_after(connection, of, BACK) == len(returned)
            took = [(case.closed_at - case.opened_at).total_seconds() for case in closed if case.closed_at is not None]
            found = overview.median_to_close(connection, of, len(closed))
            assert found is None if not took else found is not None and abs(found.total_seconds() - median(took)) <= 1


def test_figures_of_several_organisations_are_those_of_each(lived: School) -> None:
    for _ in range(2):
        lived.do(lived.actor("mallory", THERE), OpenCase("errand", {"title": "取快递", "department": "HQC"}))
    number(lived.engine.database, THERE)
    at = lived.clock.now()
    bounds = [at - timedelta(days=40), at - timedelta(days=3), at + timedelta(days=1)]
    with lived.engine.database.read_across() as connection:
        both = Of((HERE, THERE), None, bounds[0], at)
        each = [Of((organisation,), None, bounds[0], at) for organisation in (HERE, THERE)]
        assert told(connection, both, bounds) == told(connection, each[0], bounds) + told(connection, each[1], bounds)
        assert {key[0] for key in told(connection, both, bounds)} == {HERE, THERE}
        for n, stretch in enumerate(overview.figures(connection, both, bounds)[1]):
            parts = [overview.figures(connection, of, bounds)[1][n] for of in each]
            for name in ("opened", "closed", "open", "overdue"):
                assert getattr(stretch, name) == sum(getattr(part, name) for part in parts)
        assert overview.closed_after(connection, both, BACK) == overview.closed_after(connection, each[0], BACK)


# --- the lists behind them -----------------------------------------------------------------------------------------------

Is = Callable[[Case], bool]


def asked(at: datetime, recorded: dict[str, list[Event]]) -> dict[str, tuple[Filter, Is]]:
    """What lists are asked for, and whether a case is in them."""
    day, week = at - timedelta(days=1), at - timedelta(days=7)

    def fixed(case: Case) -> bool:
        done = [e for e in recorded[case.number] if (e.type, e.trigger) == ("stepped", "fix")]
        return any(week <= event.recorded_at < day for event in done)

    return {
        "of this category or of none": (
            Filter(categories=("ELEC", "-")),
            lambda case: case.category.startswith("ELEC.") or not case.category,
        ),
        "neither closed nor rejected": (
            Filter(apart_from=("closed", "rejected")),
            lambda case: case.state not in ("closed", "rejected"),
        ),
        "of no other loop": (Filter(without_workflow=("drill",)), lambda case: case.workflow != "drill"),
        "fixed within a week, and not today": (Filter(action=("fix",), action_from=week, action_before=day), fixed),
        "open": (Filter(open=True), lambda case: not case.final),
        "not open": (Filter(open=False), lambda case: case.final),
        "no level": (Filter(without=("level",)), lambda case: not case.level),
        "neither": (Filter(without=("department", "level")), lambda case: case.department is None and not case.level),
        "opened since": (Filter(opened_from=day), lambda case: case.opened_at >= day),
        "opened before": (Filter(opened_before=day), lambda case: case.opened_at < day),
        "closed since": (Filter(closed_from=day), lambda case: case.closed_at is not None and case.closed_at >= day),
        "closed before": (Filter(closed_before=day), lambda case: case.closed_at is not None and case.closed_at < day),
        "opened with this answer or that": (
            Filter(opened_with=("source:staff", "source:group")),
            lambda case: case.facts["source"] in ("staff", "group"),
        ),
        "opened with an answer from one to another": (  # as days are, which this school is asked for nowhere
            Filter(opened_with=("source:group..self_check",), workflow="hazard"),
            lambda case: case.facts["source"] == "group",
        ),
        "sent back": (Filter(action=BACK), lambda case: bool(case.counters.get("returned"))),
    }


def test_a_filter_finds_now_and_as_of_any_instant_what_it_says(lived: School) -> None:
    recorded = everything_recorded(lived)
    now = lived.clock.now()
    with lived.engine.database.read(HERE) as connection:
        for at in [*some_instants(recorded), now]:
            cases = folded(recorded, at)
            for name, (wanted, is_in) in asked(at, recorded).items():
                expected = [case for case in cases if is_in(case)]
                assert known.page(connection, SEEN, wanted, at, limit=1_000).cases == expected, (name, at)
                assert known.count(connection, SEEN, wanted, at) == len(expected)
                if at == now:
                    assert expected, f"{name}: else nothing was shown"
                    assert worklists.page(connection, SEEN, wanted, at, limit=1_000).cases == expected, name
                    assert worklists.count(connection, SEEN, wanted, at) == len(expected)


# --- who reported --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reported(school: School) -> School:
    """Rounds of three days in two departments: one in time, one late, the others not; and two monthly reports, one waived."""
    school.owe("daily_round", "HQC", "2019-12-03", "2019-12-05")
    school.owe("daily_round", "JWC", "2019-12-03", "2019-12-05")
    school.owe(CYCLE, "HQC", "2019-12-01", "2019-12-31")
    school.owe(CYCLE, "JWC", "2019-12-01", "2019-12-31")
    school.at("2019-12-03 08:00").tick()
    [first] = [record.number for record in school.periods(cycle="daily_round", scopes=frozenset({"HQC"}))]
    school.at("2019-12-03 10:00").step("bob", first, "run")
    school.at("2019-12-04 08:00").tick()
    [late] = [r.number for r in school.periods(cycle="daily_round", scopes=frozenset({"JWC"})) if r.key == "2019-12-03"]
    school.at("2019-12-04 09:00").step("frank", late, "run")
    school.at("2019-12-05 08:00").tick()
    [waived] = [record.number for record in school.periods(cycle=CYCLE, scopes=frozenset({"JWC"}))]
    school.at("2019-12-06 08:00").tick()
    school.step("helen", waived, "waive", reason="停课")
    number(school.engine.database, HERE)
    return school


@pytest.mark.parametrize(
    "at, rounds, monthly",
    [
        ("2019-12-03 07:00", {}, {}),
        ("2019-12-03 09:00", {"waiting": 2}, {"waiting": 2}),
        ("2019-12-03 12:00", {"reported": 1, "waiting": 1}, {"waiting": 2}),
        ("2019-12-04 08:30", {"reported": 1, "waiting": 2, "missing": 1}, {"waiting": 2}),
        ("2019-12-04 12:00", {"reported": 1, "late": 1, "waiting": 2}, {"waiting": 2}),
        ("2019-12-06 07:00", {"reported": 1, "late": 1, "missing": 4}, {"waiting": 2}),
        ("2019-12-06 09:00", {"reported": 1, "late": 1, "missing": 4}, {"waiting": 1, "waived": 1}),
    ],
)
def test_what_was_missing_then_is_told_though_it_came_later(
    reported: School, at: str, rounds: dict[Report, int], monthly: dict[Report, int]
) -> None:
    of = Of((HERE,), SEEN, local("2019-12-01 00:00"), local(at))
    month = local("2019-12-01 00:00"), local("2020-01-01 00:00")
    with reported.engine.database.read(HERE) as connection:
        for cycle, expected in (("daily_round", rounds), (CYCLE, monthly)):
            found = overview.reported(connection, of, [cycle], *month)
            assert {line.report: line.periods for line in found} == expected
            for report in REPORTS:
                behind = Filter(report=report, cycle=cycle, period_from=month[0], period_before=month[1])
                assert known.count(connection, SEEN, behind, of.at) == expected.get(report, 0)
            missing = overview.missing(connection, of, [cycle], *month, limit=3)
            assert len(missing) == min(3, expected.get("missing", 0))


def test_a_list_of_now_finds_what_is_missing_as_the_ledger_of_periods_says(reported: School) -> None:
    now = reported.clock.now()
    with reported.engine.database.read(HERE) as connection:
        records = periods.find(connection, HERE)
        found = worklists.page(connection, SEEN, Filter(report="missing"), now, limit=100).cases
        assert {case.number for case in found} == {record.number for record in records if record.missing(now)} != set()
        some = Filter(period_from=local("2019-12-04 00:00"), period_before=local("2019-12-05 00:00"))
        assert worklists.count(connection, SEEN, some, now) == 2
        assert worklists.count(connection, Visibility(HERE), some, now) == 0
