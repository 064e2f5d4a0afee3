"""Carries out what was decided, and the cases that come out of it. Alone writes cases, events, timers and the outbox."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from engine.actor import Actor
from engine.authority import allow_opening, may_open_any
from engine.case import (
    CORRECTED_BY,
    CORRECTS,
    FILED_IN,
    FILES,
    FOLLOWED_BY,
    FOLLOWS,
    READ_OUT_AT,
    READS_OUT,
    REBOUND_OF,
    REVISITED_IN,
    REVISITS,
    Case,
    Link,
)
from engine.commands import OpenCase
from engine.decision import Decision, PeriodOwed, Setting
from engine.definition import Workflow, must_be_known
from engine.errors import Text
from engine.events import Event
from engine.handle.notices import notices_of
from engine.handle.outcomes import Done
from engine.handle.reading import Reading
from engine.handle.referring import look_up, must_hold, use_files, who_is_named
from engine.machine import blank_case, decide_opening, read_form
from engine.store import cases, history, outbox, timers

#: how the case at the other end of a bond calls it
OTHER_END = {
    "merged_into": "absorbed", REBOUND_OF: "rebounded_as", CORRECTS: CORRECTED_BY, FILES: FILED_IN, FOLLOWS: FOLLOWED_BY,
    REVISITS: REVISITED_IN,
    READ_OUT_AT: READS_OUT,
}  # fmt: skip
#: bonds the other case counts
COUNTED_BONDS = {REBOUND_OF: "rebounds"}


class Writing:
    """The pen of one turn: what it writes it has read before, and the numbers it draws go on from one command to the next."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.numbers = cases.Numbers(reading.connection)
        #: what openings of a cycle have thought through for each other: see `opening._passed`
        self.passed: dict[tuple[str, int, date, str], tuple[date, Sequence[str]]] = {}

    def open_case(self, actor: Actor, command: OpenCase, owed: PeriodOwed | None = None) -> Done:
        """1. who may at all  2. what was written  3. who may open just this  4. what it refers to  5. decide  6. write."""
        reading = self.reading
        workflow = reading.workflow(command.workflow)
        asked = Text(f"登记“{workflow.title.zh}”", f"Open a case of {workflow.title.en!r}")
        may_open_any(workflow, actor, asked)
        data = read_form(workflow.opens_with, command.data, asked, reading.engine.words)
        if actor.kind != "system":  # who stands in no relation to a case may open all of them or none
            allow_opening(workflow, actor, blank_case(workflow, actor, data, reading.now), asked)
        related = look_up(reading, actor, workflow.opens_with, data, asked)
        if command.within is not None and command.parent is None:  # what comes out of a case has its mark for good
            must_hold(reading, actor, command.within, asked)
        named = who_is_named(reading, actor.organisation, workflow.opens_with, data)
        year = reading.calendar(actor.organisation).local_date(reading.now).year
        number = self.numbers.draw(actor.organisation, workflow.prefix, year)
        setting = reading.setting(actor, workflow, period=owed, people=named, related=related)
        decision = decide_opening(workflow, number, command, data, reading.now, setting)
        done = self.write(workflow, None, self.bound(workflow, None, decision, setting), actor, setting)
        use_files(reading, workflow.opens_with, data, actor.organisation, number)
        return done

    def bound(self, workflow: Workflow, before: Case | None, decision: Decision, setting: Setting) -> Decision:
        """The decision, bound to the case this one repeats: the same place and item, closed a short while ago.

        Asked whenever these become known or change: at the opening, or at triage when the reporter left them out.
        """
        rule, case = workflow.rebound, decision.case
        if rule is None or case.final or any(link.kind == REBOUND_OF for link in (*case.links, *decision.links)):
            return decision
        alike = tuple(getattr(case, name) for name in rule.same)
        if not all(alike) or (before and alike == tuple(getattr(before, name) for name in rule.same)):
            return decision
        since = case.opened_at - timedelta(days=setting.policy[rule.within_days])
        found = [n for n in cases.closed_alike(self.reading.connection, case, rule.same, since) if n != case.number]
        return replace(decision, links=(*decision.links, Link(REBOUND_OF, found[0]))) if found else decision

    def write(
        self, workflow: Workflow, before: Case | None, decision: Decision, actor: Actor, setting: Setting
    ) -> Done:
        """Everything a decision says, in this order: numbers, cases that come out of it, event, case, timers, outbox."""
        reading = self.reading
        organisation = actor.organisation
        case = decision.case
        for series in decision.series:
            if series.once and series.fact in case.facts:
                continue
            year = setting.calendar.local_date(reading.now).year
            drawn = self.numbers.draw(organisation, series.prefix, year)
            case = case.with_facts({series.fact: drawn})
        within = case.number if workflow.holds else case.within
        for opening in decision.opens:
            child = self.open_case(actor, replace(opening, parent=case.number, within=within))
            case = case.linked("child", child.case.number)
        for link in decision.links:
            case = case.linked(link.kind, link.number)
        recorded_at = max(reading.now, before.last_recorded_at) if before and before.last_recorded_at else reading.now
        if decision.found_at_flagged:
            case = case.with_facts({"found_at_flagged": True})
        case = case.changed(
            sequence=(before.sequence if before else 0) + 1,
            revision=(before.revision if before else 0) + (1 if decision.new_revision else 0),
            last_recorded_at=recorded_at,
        )
        event = Event(
            organisation=organisation,
            case=case.number,
            sequence=case.sequence,
            type=decision.type,
            trigger=decision.trigger,
            from_state=decision.from_state,
            to_state=case.state,
            recorded_at=recorded_at,
            actor=actor.principal,
            on_behalf_of=actor.represented,
            found_at=decision.found_at,
            policy_version=reading.policy(organisation, workflow)[0],
            calendar_version=setting.calendar.version,
            data=decision.data,
            changes=case.changes_since(before),
        )
        event = history.append(reading.connection, event, before.last_hash if before else "", reading.engine.draw)
        case = case.changed(last_hash=event.hash)
        reading.has_changed(case)
        by_name = tuple(workflow.waits_by_name(one) if one else () for one in (before, case))
        cases.save(reading.connection, before, case, () if case.final else workflow.awaited(case), *by_name)
        if decision.cancels_timers or case.final:
            timers.cancel(reading.connection, organisation, case.number, reading.now)
        if decision.cancels_rungs:
            timers.cancel(reading.connection, organisation, case.number, reading.now, decision.cancels_rungs)
        rungs = [(timer.rung, timer.fire_at) for timer in decision.timers]
        timers.add(reading.connection, organisation, case.number, case.generation, rungs)
        notices = [
            n for told in decision.told for n in notices_of(reading, workflow, case, event, told, actor, setting)
        ]
        outbox.write(reading.connection, notices)
        for link in decision.links:
            self._bind(actor, link.number, link.kind, case.number)
        return Done(case, event)

    def _bind(self, actor: Actor, number: str, kind: str, to: str) -> None:
        """Record at the other end that a case was bound to it; its clock and its revision stay."""
        reading = self.reading
        other = reading.locked(actor.organisation, number)
        assert other is not None  # it was looked up in this transaction
        workflow = reading.engine.catalog.of(other)
        must_be_known(
            workflow, Text(f"与 {number} 关联", f"Bind it to {number}")
        )  # whom it waits for is not known either
        after = other.linked(OTHER_END[kind], to)
        if kind in COUNTED_BONDS:
            after = after.counted(COUNTED_BONDS[kind])
        decision = Decision(
            case=after, type="linked", trigger=OTHER_END[kind], from_state=other.state, data={"number": to},
            new_revision=False,
        )  # fmt: skip
        self.write(workflow, other, decision, actor, reading.setting(actor, workflow))
