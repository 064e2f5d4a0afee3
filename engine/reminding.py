"""When a case is due, when that is told, and to whom. Decides; touches nothing.

`decide_reminder` and `decide_recompute` are the engine's own commands; the rest is what every step needs of clocks and of
telling.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, time
from typing import Any

from engine.calendar import Calendar
from engine.case import UNCONFIRMED, Case, CaseClock, instant_text
from engine.commands import Remind
from engine.deadlines import (
    Budget,
    Deadline,
    Rung,
    due_at,
    fire_times,
    is_overdue,
    next_repeat,
    plan_rungs,
    repeats_between,
)
from engine.decision import Decision, Setting, Timer, Told, Watch
from engine.definition import RECEIPT, Acknowledge, FromFact, FromPeriod, State, Transition, Within, Workflow, adjusted
from engine.events import How
from engine.guards import Situation

# --- the engine's own commands ---------------------------------------------------------------------------------------


def decide_reminder(workflow: Workflow, case: Case, command: Remind, now: datetime, setting: Setting) -> Decision:
    """One message for all rungs that fell due: the highest is told, to everyone the missed ones would have reached."""
    state = workflow.state(case.state)
    due = _with_missed_repeats(state, case, _in_order(state, command.rungs), now, setting)
    highest = due[-1]
    told = _reminded(workflow, state, case, due)
    after = case
    timers: tuple[Timer, ...] = ()
    for effect in filter(None, (_rung_effect(state, rung) for rung in due)):
        after = after.changed(supervised=True) if effect == "supervised" else after.with_facts({effect: True})
    if (repeat := _repeat_after(state, case, highest, now, setting)) is not None:
        timers = (repeat,)
    return Decision(
        case=after,
        type="reminded",
        trigger=highest,
        from_state=case.state,
        data={"rung": highest, "skipped": due[:-1], "escalated": told.reason != "reminder", "to": list(told.audience)},
        new_revision=after != case,
        timers=timers,
        told=(told,),
    )


def decide_recompute(workflow: Workflow, case: Case, setting: Setting, now: datetime, watch: Watch) -> Decision | None:
    """The deadline under the newest calendar, and where it stays, its reminders, which are counted in working days from it;
    None when all of them stay.
    """
    if (clock := case.clock) is None:
        return None
    deadline = _counted_again(clock, setting)
    if deadline.due_at == clock.due_at:
        return _reminders_moved(workflow.state(case.state), case, clock, deadline, setting, now, watch)
    if "period" in clock.budget:
        case = case.with_facts({"period_due_at": instant_text(deadline.due_at)})
    after = _with_clock(case, clock.since, clock.budget, deadline, first=clock.first)
    return Decision(
        case=after,
        type="recomputed",
        trigger="recompute",
        from_state=case.state,
        data=_recomputed(clock, after),
        cancels_timers=True,
        timers=timers_of(workflow.state(case.state), after, setting, not_before=now),
        told=(Told("recomputed", ("holder",), "digest"),),
    )


def _counted_again(clock: CaseClock, setting: Setting) -> Deadline:
    if "period" not in clock.budget:
        return due_at(Budget.from_json(clock.budget), clock.since, setting.calendar)
    if setting.period is None:  # nothing draws it anew: it ends when it was said to
        return Deadline(clock.due_at, setting.calendar.version, clock.provisional)
    return _of_period(setting.period.due_at, setting.calendar)


def _recomputed(clock: CaseClock, after: Case) -> dict[str, Any]:
    assert after.clock is not None
    return {
        "due_at_before": instant_text(clock.due_at),
        "due_at_after": instant_text(after.clock.due_at),
        "calendar_before": clock.calendar_version,
        "calendar_after": after.clock.calendar_version,
    }


def _reminders_moved(
    state: State, case: Case, clock: CaseClock, deadline: Deadline, setting: Setting, now: datetime, watch: Watch
) -> Decision | None:
    """The clock runs on in its generation, so that no rung of it is told again.

    1. what waits is told when the newest calendar has it: at once, where that would have been before now
    2. unless the clock had not begun then: such a rung is none of this clock's
    3. and the other way round, one that the older calendar had before the beginning may be one now, void or never planned
    What fell due is left to be told, and what the calendar does not move stays as the school's numbers had it.
    """
    waits = [rung for rung, fire_at in watch.rungs.items() if fire_at is not None and fire_at > now]
    was, becomes = (_fire_times(state, case, clock, waits, setting, by) for by in (watch.calendar, setting.calendar))
    moved, void = [], []
    for rung in waits:
        if becomes[rung] in (watch.rungs[rung], was[rung]):
            continue
        if becomes[rung] < clock.since and rung not in receipt_rungs(state):
            void.append(rung)
        else:
            moved.append(Timer(rung, becomes[rung]))
    begun = [
        Timer(rung, becomes[rung])
        for rung in becomes
        if rung not in watch.rungs and rung not in receipt_rungs(state) and was[rung] < clock.since <= becomes[rung]
    ]
    changed = (*void, *(timer.rung for timer in (*moved, *begun)))
    if not changed and deadline.provisional == clock.provisional:
        return None
    counted = replace(clock, provisional=deadline.provisional, calendar_version=deadline.calendar_version)
    after = case.changed(clock=counted)
    return Decision(
        case=after,
        type="recomputed",
        trigger="recompute",
        from_state=case.state,
        data=_recomputed(clock, after) | ({"reminders": _in_order(state, changed)} if changed else {}),
        cancels_rungs=tuple(void),
        timers=tuple(begun),
        moves_timers=tuple(moved),
    )


def _fire_times(
    state: State, case: Case, clock: CaseClock, waits: Iterable[str], setting: Setting, calendar: Calendar
) -> dict[str, datetime]:
    """When each rung of the running clock is to be told by this calendar: its receipts, its ladder, the repetition that waits."""
    found: dict[str, datetime] = {}
    if state.ladder is not None:
        ladder, remind_at = adjusted(state.ladder, setting.policy["rung_offsets"]), setting.policy["remind_at"]
        of_ladder = [rung for rung in waits if rung not in receipt_rungs(state)]
        found = fire_times(ladder, of_ladder, clock.due_at, calendar, time.fromisoformat(remind_at))
    if state.acknowledge is not None and case.receipt_since is not None:
        found |= dict(_receipt_timers(state.acknowledge, case.receipt_since, replace(setting, calendar=calendar)))
    return found


# --- clocks ----------------------------------------------------------------------------------------------------------


def start_clock(
    state: State, case: Case, situation: Situation, setting: Setting, not_before: datetime | None
) -> tuple[Case, tuple[Timer, ...]]:
    """A new generation of the case's clock, and the rungs it is going to tell."""
    if state.due is None:
        return case.changed(clock=None), ()
    since = situation.now
    if isinstance(state.due, FromPeriod):
        since = datetime.fromisoformat(case.facts["period_opens_at"])
        budget: Mapping[str, Any] = {"period": case.period}
        deadline = _of_period(datetime.fromisoformat(case.facts["period_due_at"]), setting.calendar)
    else:
        allowed = _budget(state.due, case, situation)
        budget = allowed.to_json()
        deadline = due_at(allowed, since, setting.calendar)
    first = isinstance(state.due, FromFact | FromPeriod) and case.first_due_at is None
    case = _with_clock(case, since, budget, deadline, first=first)
    return case, timers_of(state, case, setting, not_before)


def _of_period(ends: datetime, calendar: Calendar) -> Deadline:
    return Deadline(ends, calendar.version, provisional=not calendar.knows(calendar.local_date(ends)))


def _with_clock(case: Case, since: datetime, budget: Mapping[str, Any], deadline: Deadline, *, first: bool) -> Case:
    clock = CaseClock(
        since=since,
        budget=budget,
        due_at=deadline.due_at,
        provisional=deadline.provisional,
        calendar_version=deadline.calendar_version,
        first=first,
    )
    first_due_at = deadline.due_at if first else case.first_due_at
    return case.changed(clock=clock, first_due_at=first_due_at, generation=case.generation + 1)


def _budget(due: Within | FromFact, case: Case, situation: Situation) -> Budget:
    if isinstance(due, Within):
        return due.budget(situation.policy)
    return Budget.from_json(case.facts[due.fact])


def timers_of(state: State, case: Case, setting: Setting, not_before: datetime | None) -> tuple[Timer, ...]:
    """The rungs the running clock is going to tell: its ladder's, and the receipt's while that is asked for.

    not_before   rungs before it are past; None where the clock has only begun
    """
    assert case.clock is not None
    clock = case.clock
    timers: list[Timer] = []
    if state.ladder:
        planned = plan_rungs(
            adjusted(state.ladder, setting.policy["rung_offsets"]),
            clock.due_at,
            clock.since,
            setting.calendar,
            not_before if not_before is not None else clock.since,
            time.fromisoformat(setting.policy["remind_at"]),
        )
        timers += [Timer(rung.rung, rung.fire_at) for rung in planned]
    if state.acknowledge and case.acknowledged_at is None and case.receipt_since is not None:
        receipts = _receipt_timers(state.acknowledge, case.receipt_since, setting)
        # a clock that starts anew does not ask again for a receipt that was asked for already
        timers += [timer for timer in receipts if not_before is None or timer.fire_at > not_before]
    return tuple(timers)


def _receipt_timers(acknowledge: Acknowledge, since: datetime, setting: Setting) -> list[Timer]:
    """The receipt's rungs: the limit itself, then each further audience a working day later at the reminder hour."""
    first = due_at(acknowledge.within.budget(setting.policy), since, setting.calendar).due_at
    remind_at = time.fromisoformat(setting.policy["remind_at"])
    day = setting.calendar.local_date(first)
    later = [
        Timer(f"{RECEIPT}-{n}", setting.calendar.at(setting.calendar.add_workdays(day, n), remind_at))
        for n in range(1, len(acknowledge.climbs_to))
    ]
    return [Timer(RECEIPT, first), *later]


def receipt_rungs(state: State) -> tuple[str, ...]:
    """The names of the rungs by which this state asks for a receipt, lowest first."""
    if state.acknowledge is None:
        return ()
    return (RECEIPT, *(f"{RECEIPT}-{n}" for n in range(1, len(state.acknowledge.climbs_to))))


# --- telling ---------------------------------------------------------------------------------------------------------


def told_waiting(workflow: Workflow, state: State, case: Case, reason: str) -> tuple[Told, ...]:
    """Whose move it is in this state, told so; nobody's where it is final."""
    if state.final:
        return ()
    how: How = "direct" if workflow.always_direct(case) or reason == "returned" else state.tell
    return (Told(reason, workflow.awaited(case), how),)


def told_by(
    workflow: Workflow, transition: Transition, state: State, case: Case, policy: Mapping[str, Any], *, moves: bool
) -> tuple[Told, ...]:
    """What a step tells: whose move it is now, who has to know of it, who only hears, whom it has climbed to."""
    told: list[Told] = []
    waiting = told_waiting(workflow, state, case, transition.reason) if moves else ()
    if transition.addresses:  # one message for whose move it is and for who has to know
        [whose] = waiting or (Told("waiting", (), state.tell),)
        waiting = (replace(whose, audience=(*whose.audience, UNCONFIRMED)),)
    told += waiting
    if transition.tells:
        told.append(Told("informed", transition.tells, "digest"))
    if (up := transition.escalates) is not None:
        limit = policy[up.at] if isinstance(up.at, str) else up.at
        if case.counters.get(up.counter, 0) >= limit:
            told.append(Told("escalation", up.to, "direct"))
    return tuple(told)


def _in_order(state: State, rungs: Iterable[str]) -> list[str]:
    """Lowest first: receipts before the ladder, whose rungs go by their offset, repetitions by their number."""
    receipts = receipt_rungs(state)

    def rank(name: str) -> tuple[int, int]:
        if name in receipts:
            return (0, receipts.index(name))
        assert state.ladder is not None
        return (1, state.ladder.order(name))

    return sorted(rungs, key=rank)


def _with_missed_repeats(state: State, case: Case, due: list[str], now: datetime, setting: Setting) -> list[str]:
    """Only the next repetition is on watch; after an outage those that would have followed it were missed too."""
    first = due[-1]
    if case.clock is None or first in receipt_rungs(state) or not _rung(state, first).repeats:
        return due
    assert state.ladder is not None
    ladder = adjusted(state.ladder, setting.policy["rung_offsets"])
    remind_at = time.fromisoformat(setting.policy["remind_at"])
    missed = repeats_between(ladder, case.clock.due_at, setting.calendar, case.clock.due_at, now, remind_at)
    return [*due, *(rung.rung for rung in missed if ladder.order(rung.rung) > ladder.order(first))]


def _reminded(workflow: Workflow, state: State, case: Case, due: list[str]) -> Told:
    """Told once: in the way of the most urgent of the rungs, to the audiences of all of them."""
    audience: dict[str, None] = {}
    hows: set[How] = set()
    for name in due:
        to, how = _rung_told(state, name)
        audience |= dict.fromkeys(to)
        hows.add(how)
    highest = due[-1]
    if highest.startswith(RECEIPT):
        reason = "receipt"
    else:
        reason = "escalation" if _climbed(state, highest) else "reminder"
    # whom a case is brought to hears of it at once, whatever the published ladders say of those rungs
    direct = reason == "escalation" or "direct" in hows or workflow.always_direct(case)
    return Told(reason, tuple(audience), "direct" if direct else "digest", highest, tuple(due[:-1]))


def _rung_told(state: State, name: str) -> tuple[tuple[str, ...], How]:
    receipts = receipt_rungs(state)
    if name in receipts:
        assert state.acknowledge is not None
        return state.acknowledge.climbs_to[receipts.index(name)], "direct"
    rung = _rung(state, name)
    return rung.to, rung.how


def _rung(state: State, name: str) -> Rung:
    assert state.ladder is not None
    return state.ladder.rung(name)


def _rung_effect(state: State, name: str) -> str | None:
    if name in receipt_rungs(state):
        return None
    return _rung(state, name).effect


def _climbed(state: State, name: str) -> bool:
    """A rung after the deadline goes to others than the one who is late: that is an escalation."""
    rung = _rung(state, name)
    return rung.repeats or (rung.offset_workdays or 0) > 0


def _repeat_after(state: State, case: Case, highest: str, now: datetime, setting: Setting) -> Timer | None:
    """The next repetition, once the ladder has none left: an open overdue case is never silent for good."""
    if state.ladder is None or case.clock is None or highest in receipt_rungs(state):
        return None
    if not is_overdue(case.clock.due_at, now) or not _rung(state, highest).repeats:
        return None
    remind_at = time.fromisoformat(setting.policy["remind_at"])
    ladder = adjusted(state.ladder, setting.policy["rung_offsets"])
    planned = next_repeat(ladder, case.clock.due_at, setting.calendar, now, remind_at)
    # A holiday notice or another hour may date a repetition that was told already into the future. Its name is taken,
    # so waiting for it would be silence.
    while planned is not None and planned.order <= ladder.order(highest):
        planned = next_repeat(ladder, case.clock.due_at, setting.calendar, planned.fire_at, remind_at)
    return Timer(planned.rung, planned.fire_at) if planned else None
