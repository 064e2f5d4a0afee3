"""Nobody ticks from 30 January to 2 March 2020: one message a case, every period once, and nothing twice."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest

from engine.actor import system
from engine.commands import Recompute
from engine.deadlines import Ladder
from engine.events import How
from engine.store.tables import OutboxRow
from engine.tick import Ticked
from tests.databases import Kind
from tests.engine.fakes import STEPS, School, a_school, local
from workflows import CATALOG
from workflows.hazard import HAZARD

BACK = "2020-03-02 08:00"


@pytest.fixture
def school(tmp_path: Path, kind: Kind) -> Iterator[School]:
    """A school in which two departments owe their monthly inspection."""
    with a_school(tmp_path, kind) as school:
        for scope in ("HQC", "JWC"):
            school.owe("dept_check_month", scope, "2019-12-01")
        yield school


class Story:
    """A tick each morning up to 30 January, and cases at every kind of place when the silence begins."""

    def __init__(self, school: School) -> None:
        self.school = school
        school.tick()
        self.long_overdue = school.assigned()  # repeats since the first days of January
        school.tick_daily("2020-01-13")
        self.overdue = school.assigned()
        school.tick_daily("2020-01-20")
        self.not_yet_due = school.assigned(time_limit="days15")
        school.step("alice", self.not_yet_due, "acknowledge")
        self.reported = school.report(who="charlie", place="操场")
        self.closed = school.report(place="食堂")
        self.waits_for_verifier = school.assigned()
        school.step("alice", self.waits_for_verifier, "fix")
        school.step("sam", self.closed, "reject")
        school.tick_daily("2020-01-27")
        school.revise(
            *(
                date(2020, day.month, day.day)
                for day in map(date.fromisoformat, ("2020-01-31", "2020-02-01", "2020-02-02"))
            )
        )
        school.tick_daily("2020-01-30")
        self.open = [
            self.long_overdue, self.overdue, self.not_yet_due, self.reported, self.waits_for_verifier,
            *(period.number for period in school.periods()),
        ]  # fmt: skip


@pytest.fixture
def story(school: School) -> Story:
    return Story(school)


def ladder_of(school: School, number: str) -> Ladder:
    case = school.case(number)
    ladder = CATALOG.of(case).state(case.state).ladder
    assert ladder is not None
    return ladder


def reached_by(rungs: Sequence[str], ladder: Ladder) -> tuple[tuple[str, ...], How]:
    """Everyone whom these would have reached, in ladder order, each once; direct if any of them is."""
    told = [ladder.rung(name) for name in sorted(rungs, key=ladder.order)]
    everyone = tuple(dict.fromkeys(who for rung in told for who in rung.to))
    return everyone, "direct" if any(rung.how == "direct" for rung in told) else "digest"


def test_after_the_outage_each_open_case_gets_exactly_one_message(school: School, story: Story) -> None:
    told = {number: len(school.notices(number)) for number in story.open}
    assert school.at(BACK).tick().failed == []
    for number in story.open:
        assert len(school.notices(number)) == told[number] + 1, number
        assert school.reminders(number)[-1].recorded_at == local(BACK)
    assert school.events(story.closed)[-1].trigger == "reject", "a closed case is told about no more"


def test_the_message_is_the_highest_rung_and_goes_to_everyone_the_missed_ones_would_have_reached(
    school: School, story: Story
) -> None:
    missed = {
        number: [rung for rung, at in school.waiting(number).items() if at <= local(BACK)] for number in story.open
    }
    school.at(BACK).tick()
    for number in story.open:
        ladder, event = ladder_of(school, number), school.reminders(number)[-1]
        rungs = [*event.data["skipped"], event.data["rung"]]
        assert set(missed[number]) <= set(rungs)
        assert max(rungs, key=ladder.order) == event.data["rung"]
        everyone, how = reached_by(rungs, ladder)
        assert tuple(event.data["to"]) == everyone
        [notice] = [notice for notice in school.notices(number) if notice.sequence == event.sequence]
        awaited = set(HAZARD.awaited(school.case(number))) if number.startswith("YH") else set()
        assert set(everyone) - {"holder"} <= set(notice.audience) <= set(everyone) | awaited | {"dept_safety"}
        assert notice.how == ("direct" if notice.reason == "escalation" else how)
        assert (notice.about["rung"], notice.about["skipped"]) == (event.data["rung"], event.data["skipped"])


@pytest.mark.parametrize(
    "which, rung, skipped",
    [
        ("long_overdue", "repeat-8", ["repeat-5", "repeat-6", "repeat-7"]),
        ("overdue", "repeat-2", ["after-7", "after-15", "repeat-1"]),
        ("not_yet_due", "after-7", ["before-3", "before-1", "due", "after-1", "after-3"]),
    ],
)
def test_which_rung_is_told_and_which_are_skipped(
    school: School, story: Story, which: str, rung: str, skipped: list[str]
) -> None:
    number = getattr(story, which)
    school.at(BACK).tick()
    event = school.reminders(number)[-1]
    assert (event.data["rung"], event.data["skipped"]) == (rung, skipped)
    assert {rung: "fired"} | dict.fromkeys(skipped, "skipped") == {
        name: status for name, status in school.rungs(number).items() if name in {rung, *skipped}
    }


def test_what_the_skipped_rungs_do_besides_telling_is_done(school: School, story: Story) -> None:
    assert not school.case(story.overdue).supervised
    school.at(BACK).tick()
    case = school.case(story.overdue)
    assert case.supervised
    assert case.facts["meeting_list"]


def test_the_periods_of_february_and_march_exist_once_each(school: School, story: Story) -> None:
    assert {period.key for period in school.periods()} == {"2019-12", "2020-01"}
    ticked = school.at(BACK).tick()
    assert ticked.opened == 4
    for scope in ("HQC", "JWC"):
        assert [period.key for period in school.periods(scopes=frozenset({scope}))] == [
            "2019-12", "2020-01", "2020-02", "2020-03",
        ]  # fmt: skip
    february = school.periods(key="2020-02")[0]
    assert (february.status, february.opened_at, february.missing(school.clock.now())) == ("open", local(BACK), True)
    assert [event.data["rung"] for event in school.reminders(february.number)] == ["after-7"]
    assert len(school.notices(february.number, reasons=["reminder", "escalation"])) == 1
    march = school.periods(key="2020-03")[0]
    assert school.reminders(march.number) == []


def test_nothing_is_told_twice_at_the_tick_after_the_next(school: School, story: Story) -> None:
    school.at(BACK).tick()
    written = school.count(OutboxRow)
    assert school.tick() == Ticked()
    assert school.at("2020-03-02 17:00").tick() == Ticked()
    assert school.count(OutboxRow) == written
    for number in story.open:
        told = [rung for event in school.reminders(number) for rung in (*event.data["skipped"], event.data["rung"])]
        assert len(told) == len(set(told)), number
        school.assert_history_holds(number)


def test_every_open_case_is_on_watch_again_and_goes_on_as_if_nothing_had_been(school: School, story: Story) -> None:
    school.at(BACK).tick()
    for number in story.open:
        [*_, (rung, fire_at)] = school.waiting(number).items()
        assert fire_at > school.clock.now(), f"{number} would be silent after {rung}"
    before = {number: len(school.reminders(number)) for number in story.open}
    school.tick_daily("2020-03-31")
    for number in story.open:
        assert len(school.reminders(number)) > before[number]


def test_a_case_that_was_fixed_in_the_silence_is_not_reproached(school: School, story: Story) -> None:
    number = story.not_yet_due
    told = len(school.reminders(number))
    school.at("2020-02-10 10:00").step("alice", number, "fix")
    school.step("erin", number, "verify")
    school.step("helen", number, "approve", **STEPS["approve"])
    school.at(BACK).tick()
    assert len(school.reminders(number)) == told


def test_a_recompute_after_the_outage_tells_no_old_rung_again(school: School, story: Story) -> None:
    school.at(BACK).tick()
    number = story.overdue
    told = {rung for event in school.reminders(number) for rung in (*event.data["skipped"], event.data["rung"])}
    school.revise(date(2020, 1, 14))
    school.do(system("school"), Recompute(number))
    assert school.tick() == Ticked()
    assert all(fire_at > school.clock.now() for fire_at in school.waiting(number).values())
    assert told
