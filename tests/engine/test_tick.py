from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import insert, make_url, update

from engine.actor import system
from engine.calendar import Calendar
from engine.commands import Asked, FireTrigger, OpenCase, OpenPeriod, Recompute, Remind
from engine.directory import Department, Organisation
from engine.errors import InvalidInput, Text
from engine.handle import Idle
from engine.pace import MOST, Pace
from engine.store import calendars, people, periods, timers
from engine.store.database import table_of
from engine.store.tables import CalendarRow, CaseRow, EventRow, OutboxRow, PeriodRow, TimerRow
from engine.tick import AT_ONCE, SHARE, Ticked, tick
from tests.databases import on_postgresql
from tests.engine.fakes import HERE, THERE, School, local
from tests.postgres import the_cluster


def keys(school: School, scope: str = "HQC") -> list[str]:
    return [period.key for period in school.periods() if period.scope == scope]


def counted(school: School) -> tuple[int, ...]:
    return tuple(school.count(row) for row in (EventRow, TimerRow, OutboxRow, PeriodRow))


# --- periods ---------------------------------------------------------------------------------------------------------


def test_every_period_that_began_is_opened_once_for_every_scope_that_owes_it(school: School) -> None:
    for scope in ("HQC", "JWC"):
        school.owe("dept_check_month", scope, "2019-11-01")
    assert school.tick().opened == 4
    assert [(period.scope, period.key, period.number) for period in school.periods()] == [
        ("HQC", "2019-11", "JC-2019-0001"),
        ("JWC", "2019-11", "JC-2019-0003"),
        ("HQC", "2019-12", "JC-2019-0002"),
        ("JWC", "2019-12", "JC-2019-0004"),
    ]
    case = school.case("JC-2019-0002")
    assert case.period == "dept_check_month/HQC/2019-12"
    assert (case.opened_at, case.due_at) == (local("2019-12-02 09:00"), local("2019-12-20 23:59:59"))


def test_the_next_period_opens_when_it_begins_and_not_before(school: School) -> None:
    school.owe("dept_check_month", "HQC", "2019-12-01")
    school.tick()
    assert school.at("2019-12-31 23:59").tick().opened == 0
    assert school.at("2020-01-01 00:00").tick().opened == 1
    assert keys(school) == ["2019-12", "2020-01"]


@pytest.mark.parametrize(
    "first, last, expected",
    [
        ("2019-12-01", None, ["2019-12", "2020-01", "2020-02"]),
        ("2019-12-02", None, ["2020-01", "2020-02"]),
        ("2019-12-01", "2020-01-31", ["2019-12", "2020-01"]),
        ("2019-12-01", "2020-01-01", ["2019-12", "2020-01"]),
        ("2019-12-01", "2019-12-31", ["2019-12"]),
        ("2020-03-01", None, []),
        ("2019-12-15", "2019-12-20", []),
    ],
    ids=["without end", "begins too late for the month", "to the end of a month", "its last day opens one more",
         "ends with the year", "begins later", "no month begins in it"],
)  # fmt: skip
def test_a_scope_owes_the_periods_that_open_between_its_first_and_last_day(
    school: School, first: str, last: str | None, expected: list[str]
) -> None:
    school.owe("dept_check_month", "HQC", first, last)
    for day in ("2019-12-03", "2020-01-14", "2020-02-01", "2020-02-20"):
        school.at(f"{day} 10:00").tick()
    assert keys(school) == expected


def test_a_school_whose_tick_stood_still_opens_what_it_missed_at_once(school: School) -> None:
    school.owe("daily_round", "HQC", "2019-12-02")
    school.at("2019-12-06 12:00").tick()
    assert keys(school) == [f"2019-12-0{day}" for day in range(2, 7)]
    assert [period.opened_at for period in school.periods()] == [school.clock.now()] * 5


def test_a_period_opened_late_is_reminded_of_at_once_and_only_once(school: School) -> None:
    school.owe("dept_check_month", "HQC", "2019-12-01")
    school.at("2020-01-03 09:00")
    ticked = school.tick()
    assert (ticked.opened, ticked.reminded) == (2, 1)
    number = school.periods(key="2019-12")[0].number
    [reminder] = school.reminders(number)
    assert (reminder.data["rung"], reminder.data["skipped"]) == (
        "after-7",
        ["before-3", "before-1", "due", "after-1", "after-3"],
    )


def test_a_cycle_that_no_definition_has_any_more_is_left_alone(school: School) -> None:
    school.owe("gone", "HQC", "2019-12-01")
    school.owe("dept_check_month", "HQC", "2019-12-01")
    assert school.tick().opened == 1


def test_a_school_without_a_calendar_does_not_keep_the_others_from_ticking(school: School) -> None:
    with school.engine.database.write_across() as connection:
        connection.exec_driver_sql("DELETE FROM calendar WHERE organisation = 'other'")
        periods.owe(connection, periods.Obligation(THERE, "dept_check_month", "HQC", date(2019, 12, 1)))
    school.owe("dept_check_month", "HQC", "2019-12-01")
    assert school.tick().opened == 1


def test_each_school_ticks_by_its_own_calendar(school: School) -> None:
    eastern = Calendar(
        version=2, time_zone="Pacific/Auckland", days_off=frozenset(), working_weekend_days=frozenset(),
        known_from=date(2019, 1, 1), known_until=date(2020, 12, 31),
    )  # fmt: skip
    with school.engine.database.write_across() as connection:
        calendars.add(connection, THERE, eastern, school.clock.now())
        for organisation in (HERE, THERE):
            periods.owe(connection, periods.Obligation(organisation, "dept_check_month", "HQC", date(2020, 1, 1)))
    school.at("2019-12-31 20:00")  # already the new year on the other side of the sea
    assert school.tick().opened == 1
    assert keys(school) == []


@on_postgresql
def test_periods_that_another_node_is_opening_are_left_to_it(school: School) -> None:
    for organisation in (HERE, THERE):
        with school.engine.database.write_across() as connection:
            periods.owe(connection, periods.Obligation(organisation, "dept_check_month", "HQC", date(2019, 12, 1)))
    with school.engine.database.read_across() as connection:
        assert periods.claim(connection, [HERE], at_once=2)
        assert school.tick() == Ticked(opened=1)
        assert keys(school) == []
    assert school.tick() == Ticked(opened=1), "should the other node be gone"
    assert keys(school) == ["2019-12"]


@on_postgresql
def test_where_enough_nodes_open_periods_another_tells_reminders_meanwhile(school: School) -> None:
    school.owe("dept_check_month", "HQC", "2019-12-01")
    school.tick()
    school.owe("daily_round", "HQC", "2019-12-02")
    busy = [school.engine.database.read_across() for _ in range(AT_ONCE)]
    with ExitStack() as others:
        for door in busy:
            assert periods.claim(others.enter_context(door), [THERE], at_once=AT_ONCE) is not None
        ticked = school.at("2020-02-10 08:00").tick()
        assert ticked.opened == 0 and ticked.reminded
    assert school.tick().opened, "the next one does"


@on_postgresql
def test_who_loses_the_claim_while_he_opens_goes_on_and_each_period_is_opened_once(school: School) -> None:
    school.owe("daily_round", "HQC", "2019-12-02")
    name = str(make_url(school.engine.database.url).database)
    ended: list[int] = []

    def end_what_only_waits() -> bool:
        with the_cluster().connect() as connection:
            found = connection.execute(
                "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND state = 'idle in transaction'",
                (name,),
            ).fetchall()
        ended.extend(pid for pid, _ in found)
        return True

    ticked = tick(school.at("2020-01-10 08:00").engine, going_on=end_what_only_waits)
    assert ended, "the claim"
    assert (ticked.opened, ticked.failed) == (40, [])
    assert len(set(keys(school))) == 40
    assert school.tick() == Ticked()


def test_more_schools_than_one_node_opens_at_a_time_are_all_opened(school: School) -> None:
    names = [f"school{n:02}" for n in range(2 * SHARE + 1)]
    with school.engine.database.write_across() as connection:
        calendar = calendars.newest(connection, HERE)
        assert calendar is not None
        for name in names:
            people.add_organisation(connection, Organisation(name, Text("校", "School")))
            people.add_department(connection, Department(name, "HQC", Text("总务后勤处", "Logistics")))
            calendars.add(connection, name, replace(calendar, version=1), school.clock.now())
            periods.owe(connection, periods.Obligation(name, "dept_check_month", "HQC", date(2019, 12, 1)))
    assert school.tick() == Ticked(opened=len(names))
    assert school.tick() == Ticked()


# --- rungs -----------------------------------------------------------------------------------------------------------


def test_each_rung_is_told_at_its_time_and_once(school: School) -> None:
    number = school.errand()  # due on Wednesday the 4th, by its end
    school.tick_daily("2020-01-21")
    told = [(event.data["rung"], event.recorded_at) for event in school.reminders(number)]
    assert told == [
        ("before-1", local("2019-12-03 08:00")),
        ("due", local("2019-12-04 08:00")),
        ("after-1", local("2019-12-05 08:00")),
        ("after-3", local("2019-12-09 08:00")),
        ("after-7", local("2019-12-13 08:00")),
        ("after-15", local("2019-12-25 08:00")),
        ("repeat-1", local("2020-01-02 08:00")),
        ("repeat-2", local("2020-01-09 08:00")),
        ("repeat-3", local("2020-01-16 08:00")),
    ]
    assert len(school.notices(number, reasons=["reminder", "escalation"])) == len(told)


def test_nothing_is_told_a_minute_before_its_time(school: School) -> None:
    number = school.errand()
    assert school.at("2019-12-03 07:39").tick() == Ticked()
    assert school.at("2019-12-03 07:40").tick() == Ticked(reminded=1)
    assert len(school.reminders(number)) == 1


def test_of_rungs_that_fell_due_together_the_highest_is_told_to_everyone_of_them(school: School) -> None:
    number = school.errand()
    school.at("2019-12-10 08:00").tick()
    [reminder] = school.reminders(number)
    assert reminder.data == {
        "rung": "after-3",
        "skipped": ["before-1", "due", "after-1"],
        "escalated": True,
        "to": ["holder", "dept_safety", "dept_head", "safety_head"],
    }
    [notice] = school.notices(number, reasons=["escalation"])
    assert notice.audience == ("dept_head", "dept_safety", "safety_head"), "the holder by name, each once"
    assert notice.how == "direct", "because one of those missed was to be told at once"
    assert (notice.about["rung"], notice.about["skipped"]) == ("after-3", ["before-1", "due", "after-1"])
    statuses = {rung: status for rung, status in school.rungs(number).items() if status != "waiting"}
    assert statuses == {"before-1": "skipped", "due": "skipped", "after-1": "skipped", "after-3": "fired"}


def test_the_effect_of_a_skipped_rung_still_happens(school: School) -> None:
    number = school.errand()
    school.at("2019-12-30 08:00").tick()
    case = school.case(number)
    assert [event.data["rung"] for event in school.reminders(number)] == ["after-15"]
    assert case.supervised and case.facts["meeting_list"]


def test_a_reminder_is_no_new_revision_unless_it_changes_the_case(school: School) -> None:
    number = school.errand()
    revisions = []
    for day in ("2019-12-03", "2019-12-04", "2019-12-13", "2019-12-16"):
        school.at(f"{day} 08:00").tick()
        revisions.append(school.case(number).revision)
    assert revisions == [1, 1, 2, 2], "only the meeting list was news to whoever acts"


def test_a_step_voids_the_rungs_of_the_state_it_leaves(school: School) -> None:
    number = school.assigned()
    before = school.case(number).generation
    school.step("alice", number, "fix")
    assert set(school.rungs(number, before).values()) == {"cancelled"}
    school.at("2019-12-06 08:00").tick()
    rungs = {event.data["rung"]: event.to_state for event in school.reminders(number)}
    assert set(rungs.values()) == {"fixed"}


def test_an_acknowledged_receipt_is_not_asked_for(school: School) -> None:
    asked, acknowledged = school.assigned(), school.assigned()
    school.step("alice", acknowledged, "acknowledge")
    school.at("2019-12-03 09:00").tick()
    assert [event.data["rung"] for event in school.reminders(asked)] == ["receipt"]
    assert school.reminders(acknowledged) == []
    assert {"receipt": "cancelled", "due": "waiting"}.items() <= school.rungs(acknowledged).items()


def test_a_stale_generation_is_idle(school: School) -> None:
    number = school.assigned()
    asked = _caught_by_a_tick(school, "2019-12-05 08:00", [number])
    school.step("alice", number, "fix")
    [outcome] = school.handle(*asked)
    assert isinstance(outcome, Idle)
    assert school.reminders(number) == []
    assert school.waiting(number), "the clock that runs now is untouched"


def _caught_by_a_tick(school: School, at: str, numbers: Collection[str]) -> list[Asked]:
    """The commands a tick was about to hand over when something else came first."""
    school.at(at)
    with school.engine.database.read_across() as connection:
        due = timers.due(connection, school.clock.now(), MOST)
    return [
        Asked(system(organisation), Remind(number, generation, rungs))
        for organisation, number, generation, rungs in due
        if number in numbers
    ]


# --- never silent ----------------------------------------------------------------------------------------------------


def test_an_open_overdue_case_is_never_silent_for_good(school: School) -> None:
    number = school.errand()
    school.at("2020-02-20 08:00").tick()
    assert school.reminders(number)[-1].data["rung"] == "repeat-7"
    for _ in range(10):
        [(rung, fire_at)] = school.waiting(number).items()
        assert fire_at > school.clock.now()
        school.clock.advance_to(fire_at)
        assert school.tick().reminded == 1
        assert school.reminders(number)[-1].data["rung"] == rung
    assert not school.tick().reminded


@pytest.mark.parametrize("gap", [1, 3, 8, 20, 45])
def test_a_repetition_is_on_watch_after_every_outage(school: School, gap: int) -> None:
    number = school.errand()
    for _ in range(6):
        school.later(days=gap).tick()
        assert any(fire_at > school.clock.now() for fire_at in school.waiting(number).values())
    told = [rung for event in school.reminders(number) for rung in (*event.data["skipped"], event.data["rung"])]
    assert len(told) == len(set(told)), "no rung twice, whether told or skipped"


def test_a_repetition_follows_although_a_holiday_notice_came_in_between(school: School) -> None:
    number = school.errand()
    school.at("2020-01-15 08:00").tick()
    [(rung, fire_at)] = school.waiting(number).items()
    assert (rung, fire_at) == ("repeat-3", local("2020-01-16 07:40"))
    school.revise(date(2020, 1, 13), date(2020, 1, 14))  # the third repetition would now come on the 20th
    school.at("2020-01-16 08:00").tick()
    assert [event.data["rung"] for event in school.reminders(number)][-1] == "repeat-3"
    [(rung, fire_at)] = school.waiting(number).items()
    assert rung == "repeat-4"
    assert fire_at > school.clock.now()


def test_a_repetition_follows_although_the_hour_of_reminding_was_moved_to_later(school: School) -> None:
    number = school.errand()
    school.at("2020-01-15 08:00").tick()
    school.set_policy("errand", remind_at="16:30")
    school.at("2020-01-16 08:00").tick()
    [(rung, fire_at)] = school.waiting(number).items()
    assert (rung, fire_at) == ("repeat-4", local("2020-01-22 16:30"))


def test_a_recomputed_case_has_its_rungs_on_watch_and_tells_none_twice_in_a_generation(school: School) -> None:
    number = school.errand()
    school.at("2020-01-15 08:00").tick()
    school.revise(date(2019, 12, 3))
    school.do(system(HERE), Recompute(number))
    assert list(school.waiting(number)) == ["repeat-3"]
    assert school.tick().reminded == 0


def test_what_was_not_owed_for_a_while_is_not_opened_afterwards(school: School) -> None:
    school.owe("daily_round", "HQC", "2019-12-02", "2019-12-03")
    school.at("2019-12-05 08:00").tick()
    school.owe("daily_round", "HQC", "2019-12-09")
    school.at("2019-12-10 08:00").tick()
    assert keys(school) == ["2019-12-02", "2019-12-03", "2019-12-09", "2019-12-10"]


def test_what_is_owed_from_an_earlier_day_on_is_opened_where_it_is_missing(school: School) -> None:
    school.owe("daily_round", "HQC", "2019-12-04")
    school.at("2019-12-05 08:00").tick()
    assert keys(school) == ["2019-12-04", "2019-12-05"]
    school.owe("daily_round", "HQC", "2019-12-02")
    assert school.tick().opened == 2
    assert keys(school) == ["2019-12-02", "2019-12-03", "2019-12-04", "2019-12-05"]
    assert school.tick().opened == 0


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_failing_command_does_not_block_the_rest_and_is_tried_again(school: School) -> None:
    for scope in ("BROKEN", "HQC", "JWC"):
        school.owe("daily_round", scope, "2019-12-02")
    number = school.errand()
    school.at("2019-12-03 10:00")
    for _ in range(2):
        ticked = school.tick()
        assert {type(error) for _, error in ticked.failed} == {ZeroDivisionError}
        assert {getattr(asked.command, "scope", None) for asked, _ in ticked.failed} == {"BROKEN"}
    assert (keys(school), keys(school, "JWC"), keys(school, "BROKEN")) == (["2019-12-02", "2019-12-03"],) * 2 + ([],)
    assert len(school.reminders(number)) == 1


def test_a_case_whose_definition_is_gone_does_not_keep_the_others_from_being_reminded(school: School) -> None:
    lost, number = school.errand(), school.errand()
    with school.engine.database.write_across() as connection:
        cases = table_of(CaseRow)
        body = {**school.case(lost).to_json(), "version": 99}
        connection.execute(update(cases).where(cases.c.number == lost).values(body=body))
    school.at("2019-12-04 08:00")
    ticked = school.tick()
    assert ticked.reminded == 1
    assert ticked.failed == [], "another node knows it, and tells its rungs"
    assert (len(school.reminders(number)), len(school.reminders(lost))) == (1, 0)
    with school.engine.database.read_across() as connection:
        assert timers.waiting(connection, HERE, lost), "nothing that was to be told is lost"


def test_a_period_that_could_not_be_opened_is_not_passed_over(school: School) -> None:
    with school.engine.database.write_across() as connection:
        connection.exec_driver_sql("DELETE FROM department WHERE code = 'HQC' AND organisation = 'school'")
    school.owe("dept_check_month", "HQC", "2019-12-01")
    for _ in range(2):
        [(asked, error)] = school.tick().failed
        assert getattr(asked.command, "scope", None) == "HQC"
        assert isinstance(error, InvalidInput), "a refusal that nobody was there to read"
    school.at("2020-01-02 08:00")
    assert keys(school) == [], "nobody can inspect a department that is not there"
    with school.engine.database.write_across() as connection:
        people.add_department(connection, Department(HERE, "HQC", Text("总务后勤处", "Logistics")))
    assert school.tick().opened == 2
    assert keys(school) == ["2019-12", "2020-01"]


def test_a_period_that_failed_is_opened_although_a_later_one_was_opened_before(school: School) -> None:
    school.owe("daily_round", "HQC", "2019-12-02")
    school.at("2019-12-04 08:00")
    later = OpenPeriod(
        "daily_round", "round", "HQC", "2019-12-04", local("2019-12-04 00:00"), local("2019-12-04 23:59:59")
    )
    school.do(system(HERE), later)
    school.tick()
    assert sorted(keys(school)) == ["2019-12-02", "2019-12-03", "2019-12-04"]


def test_a_period_that_cannot_be_drawn_is_named_among_what_failed(school: School) -> None:
    school.owe("dept_check_month", "NOWHERE", "2019-12-01")
    ticked = school.tick()
    assert [getattr(asked.command, "scope", None) for asked, _ in ticked.failed] == ["NOWHERE"]


# --- twice -----------------------------------------------------------------------------------------------------------


def test_ticking_twice_changes_nothing_more(school: School) -> None:
    school.owe("dept_check_month", "HQC", "2019-12-01")
    school.owe("daily_round", "JWC", "2019-12-02")
    school.assigned()
    school.errand()
    for days in (1, 2, 9, 30, 60):
        school.later(days=days).tick()
        before = counted(school)
        assert school.tick() == Ticked()
        assert counted(school) == before


def test_more_cases_than_fit_in_one_group_are_all_reminded(school: School) -> None:
    numbers = [school.errand() for _ in range(MOST + 3)]
    assert school.at("2019-12-04 08:00").tick().reminded == len(numbers)
    assert {len(school.reminders(number)) for number in numbers} == {1}


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_more_than_is_looked_at_in_one_read_is_opened_and_reminded_all_the_same(school: School, chunk: int) -> None:
    for scope in ("HQC", "JWC", "DZB"):
        school.owe("daily_round", scope, "2019-12-02")
    numbers = [school.errand() for _ in range(5)]
    ticked = tick(school.at("2019-12-04 08:00").engine, chunk=chunk)
    assert (ticked.opened, ticked.reminded) == (9, len(numbers) + 9)
    assert tick(school.engine, chunk=chunk) == Ticked()


def test_what_is_left_when_a_process_has_to_stop_is_done_by_the_next_tick(school: School) -> None:
    numbers = [school.errand() for _ in range(2 * MOST)]
    answers = iter([True, True, True, True, False])
    slow = Pace(iter(range(1000)).__next__)  # a second a group: they get no larger than the least
    first = tick(school.at("2019-12-04 08:00").engine, slow, lambda: next(answers, False))
    assert 0 < first.reminded < len(numbers)
    assert tick(school.engine).reminded == len(numbers) - first.reminded


def test_a_school_whose_calendar_cannot_be_read_takes_the_others_nothing_away(school: School) -> None:
    school.owe("daily_round", "HQC", "2019-12-02")
    with school.engine.database.write_across() as connection:
        people.add_organisation(connection, Organisation("broken", Text("坏", "Broken")))
        periods.owe(connection, periods.Obligation("broken", "daily_round", "HQC", date(2019, 12, 2)))
        body = {"version": "none"}
        connection.execute(
            insert(table_of(CalendarRow)),
            {"organisation": "broken", "version": 1, "body": body, "loaded_at": school.clock.now()},
        )
    ticked = school.at("2019-12-03 08:00").tick()
    assert ticked.opened == 2
    assert [organisation for organisation, _ in ticked.unreadable] == ["broken"]


def test_two_schools_with_the_same_numbers_are_both_reminded(school: School) -> None:
    school.errand()
    there = school.actor("alice", THERE)
    school.do(there, OpenCase("errand", {"title": "取快递"}))
    assert school.at("2019-12-03 08:00").tick().reminded == 2
    assert len(school.events("BG-2019-0001", THERE)) == 2


def test_a_clock_that_stands_still_ticks_in_peace(school: School) -> None:
    number = school.errand()
    still = replace(school.engine)
    assert tick(still) == tick(still) == Ticked()
    school.do("bob", FireTrigger(number, "run", {"note": ""}))
    school.clock.advance(timedelta(days=90))
    assert tick(still) == Ticked(), "a closed case is told about no more"
