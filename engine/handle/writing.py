"""Writes a decision down: numbers, cases that come out of it, event, case, timers, outbox."""

from collections.abc import Callable
from dataclasses import replace

from engine.actor import Actor
from engine.case import COUNTED_BONDS, OTHER_END, Case
from engine.commands import OpenCase
from engine.decision import Decision, Setting
from engine.definition import Workflow, must_be_known
from engine.errors import Text
from engine.events import Event
from engine.handle.notices import notices_of
from engine.handle.outcomes import Done
from engine.handle.reading import Reading
from engine.handle.referring import Referred
from engine.store import cases, files, history, outbox, timers


class Writing:
    """The pen of one turn: what it writes it has read before, and the numbers it draws go on from one command to the next.

    opens    how a case that comes out of a decision is opened: a command of its own, which ends in writing, too
    """

    def __init__(self, reading: Reading, opens: Callable[["Writing", Actor, OpenCase], Done]) -> None:
        self.reading = reading
        self._opens = opens
        self.numbers = cases.Numbers(reading.connection)

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
            child = self._opens(self, actor, replace(opening, parent=case.number, within=within))
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
        reading.forget(case)
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

    def use_files(self, referred: Referred, organisation: str, number: str) -> None:
        """The pictures and documents among the answers are evidence of this case from now on."""
        for _, kind, value in referred:
            if kind in {"file", "document"}:
                files.use(self.reading.connection, organisation, value, number)
