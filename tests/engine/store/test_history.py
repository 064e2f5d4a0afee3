import json
import re
from typing import Any

import pytest
from sqlalchemy import insert, select

from engine.audit import canonical, commit, envelope_hash
from engine.case import fold
from engine.commands import FireTrigger, OpenCase
from engine.sealing import number_all
from engine.store import history
from engine.store.database import table_of
from engine.store.tables import DisclosureRow, EventRow, TrailRow
from tests.engine.fakes import HERE, STEPS, THERE, School, json_of
from tests.plans import asked_by, explained

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_trail = table_of(TrailRow)


def test_a_case_can_be_read_as_it_stood_after_any_event(school: School) -> None:
    number = school.report(category="ELEC.use")
    stood = [school.case(number)]
    stood += [
        school.later(hours=1).step(who, number, trigger) for who, trigger in (("sam", "assign"), ("alice", "fix"))
    ]
    with school.engine.database.read_across() as connection:
        for sequence, case in enumerate(stood, 1):
            then, event = history.as_of(connection, HERE, number, sequence)
            assert then == case
            assert event.sequence == sequence


def test_an_event_is_read_as_its_command_was_answered(school: School) -> None:
    number = school.report(category="ELEC.use")
    steps = [("sam", "assign"), ("alice", "fix"), ("erin", "return"), ("alice", "fix"), ("erin", "verify")]
    told = [school.do(who, FireTrigger(number, step, STEPS.get(step, {}))).event for who, step in steps]
    _, *read = school.events(number)
    assert read == told
    assert [list(event.data) for event in read] == [list(event.data) for event in told]  # in the form's order, too


def test_what_numbering_reads_of_an_event_is_what_its_envelope_says(school: School) -> None:
    """By its columns: but for what an envelope alone says of itself."""
    number = school.closed()
    own = ("organisation", "number", "sequence", "last_recorded_at")
    statement = select(_events, _disclosures.c.entries).join(_disclosures, history.same_event(_disclosures, _events))
    with school.engine.database.read(HERE) as connection:
        rows = connection.execute(statement.where(_events.c.organisation == HERE, _events.c.number == number)).all()
    assert len(rows) == 5
    for row in rows:
        told = history.told_by(json.loads(row.envelope), row.entries)[1]
        assert history.changed_by(row, row.entries) == {name: told[name] for name in told if name not in own}


def test_everything_is_committed_to_once(school: School) -> None:
    """What the envelope says in the open not at all, and what is an answer and a change of the case not twice."""
    number = school.assigned()
    opened, assigned = _entries(school, number)
    assert opened.keys() == {
        "kept.title", "kept.place", "kept.category", "kept.facts.photos", "kept.facts.source", "data.department",
        "data.checklist_item", "data.details", "data.imported", "data.limit_from", "data.due_by", "data.due_paper", "set.acted", "set.reporter", "set",
    }  # fmt: skip
    assert not {"organisation", "number", "state", "opened_at", "sequence"} & opened["set"]["value"].keys()
    assert assigned["kept.assignee"]["value"] == "alice"
    assert assigned["set"]["value"].keys() >= {"counts_as", "revision", "generation", "clock"}
    school.assert_history_holds(number)


def test_an_event_that_says_all_of_it_twice_is_read_as_ever(school: School) -> None:
    """As events were recorded before each thing was said once."""
    number = school.closed()
    events, case = school.events(number), school.case(number)
    with school.engine.database.read_across() as connection:
        envelopes = [json_of(envelope) for envelope in history.envelopes_of(connection, HERE, number)]
        rows = connection.execute(
            select(table_of(EventRow))
            .where(table_of(EventRow).c.number == number)
            .order_by(table_of(EventRow).c.sequence)
        )
        recorded = [dict(row._mapping) for row in rows]
    salt, previous = b"s" * 16, envelopes[0]["previous"]
    with school.engine.database.write(HERE) as connection:
        for event, envelope, row in zip(events, envelopes, recorded, strict=True):
            said = {f"data.{name}": value for name, value in event.data.items()}
            said |= {f"set.{name}": value for name, value in event.changes.items()}
            committed = {name: commit(salt, value) for name, value in said.items()}
            written = canonical({**envelope, "commitments": committed, "previous": previous})
            previous = envelope_hash(written)
            there = {"number": "YH-2020-9999", "sequence": event.sequence, "organisation": HERE}
            connection.execute(
                insert(table_of(EventRow)), {**row, **there, "envelope": written.decode(), "hash": previous}
            )
            entries = {name: {"salt": salt.hex(), "value": value} for name, value in said.items()}
            connection.execute(insert(table_of(DisclosureRow)), {**there, "entries": entries})
    read = school.events("YH-2020-9999")
    assert [(event.data, event.changes) for event in read] == [(event.data, event.changes) for event in events]
    assert fold([event.changes for event in read], last_hash=case.last_hash) == case


def _entries(school: School, number: str) -> list[dict[str, Any]]:
    disclosed = table_of(DisclosureRow)
    with school.engine.database.read_across() as connection:
        found = connection.execute(
            select(disclosed.c.entries).where(disclosed.c.number == number).order_by(disclosed.c.sequence)
        )
        return list(found.scalars())


@pytest.mark.parametrize("sequence", [0, 3, 99])
def test_an_event_that_never_was_is_a_lookup_error(school: School, sequence: int) -> None:
    number = school.assigned()
    with school.engine.database.read_across() as connection, pytest.raises(LookupError):
        history.as_of(connection, HERE, number, sequence)


def test_events_can_be_read_up_to_one_of_them(school: School) -> None:
    number = school.closed()
    with school.engine.database.read_across() as connection:
        assert [event.trigger for event in history.events_of(connection, HERE, number, until=2)] == ["open", "assign"]


def test_the_histories_of_two_schools_never_meet(school: School) -> None:
    number = school.closed()
    school.do(school.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"}))
    with school.engine.database.read_across() as connection:
        assert len(history.events_of(connection, THERE, number)) == 1
        assert len(history.envelopes_of(connection, THERE, number)) == 1
        assert (history.count_events(connection, HERE), history.count_events(connection, THERE)) == (5, 1)


def test_reminders_are_listed_by_time_and_the_latest_instant_is_known(school: School) -> None:
    first = school.errand()
    school.at("2019-12-03 08:00").tick()
    second = school.errand()
    school.at("2019-12-04 08:00").tick()
    with school.engine.database.read_across() as connection:
        listed = [(event.case, event.trigger) for event in history.reminders(connection, HERE)]
        assert listed == [(first, "before-1"), (first, "due"), (second, "before-1")]
        assert history.reminders(connection, THERE) == []
        assert history.latest_instant(connection) == school.clock.now()


def test_a_school_without_events_has_no_latest_instant(school: School) -> None:
    with school.engine.database.read_across() as connection:
        assert history.latest_instant(connection) is None


def test_the_latest_instant_is_known_before_and_after_events_have_a_number(school: School) -> None:
    school.report()
    number_all(school.engine.database)
    school.later(hours=1).report()
    for _ in range(2):
        with school.engine.database.read_across() as connection:
            assert history.latest_instant(connection) == school.clock.now()
        number_all(school.engine.database)


def test_the_latest_instant_is_found_at_the_end_of_each_schools_events(school: School) -> None:
    """Not among all of them, of which there may be millions when a process starts."""
    number = school.report()
    number_all(school.engine.database)
    with school.engine.database.write_across() as connection:
        [row] = connection.execute(select(_trail).where(_trail.c.number == number)).mappings()
        # of a handful, a server finds one way as good as the other
        more = [{**row, "position": n, "sequence": n + 1} for n in range(1, 2_000)]
        connection.execute(insert(_trail), more)
        numbered, waiting = asked_by(connection, lambda: history.latest_instant(connection))
        plans = explained(connection, *numbered), explained(connection, *waiting)
    by_index = r"SEARCH trail USING COVERING INDEX ix_trail_recorded|Limit|Index Only Scan using ix_trail_recorded"
    assert re.search(by_index, plans[0]), plans[0]
    for plan in plans:
        all_of_them = r"SCAN (event|trail)|SEARCH (event|trail)$|Seq Scan on (event|trail)"
        assert not re.search(all_of_them, plan, re.MULTILINE), plan
