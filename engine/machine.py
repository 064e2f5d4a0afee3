"""decide(workflow, case, command, now) -> Decision: what a command means for a case. Decides; touches nothing.

The only importer of `transitions`. Its answers to a wrong call are silence, `False`, MachineError or AttributeError;
here they become refusals with words. One shared machine per definition moves a throw-away subject; rows are never
bound to it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from functools import cache
from typing import Any, Literal, NamedTuple, cast

from pydantic import ValidationError
from transitions import EventData, Machine, MachineError

from engine.actor import Actor
from engine.authority import Permit, judge
from engine.calendar import Calendar
from engine.case import (
    ADDRESSEE,
    CONFIRMED,
    EXCUSED,
    REBOUND_OF,
    UNCONFIRMED,
    WITHIN,
    Case,
    CaseClock,
    Link,
    instant_text,
)
from engine.commands import FireTrigger, OpenCase, Remind
from engine.deadlines import Budget, Deadline, Rung, due_at, is_overdue, next_repeat, plan_rungs, repeats_between
from engine.definition import (
    COLUMNS,
    RECEIPT,
    VIA,
    Acknowledge,
    Effect,
    Form,
    FromFact,
    FromPeriod,
    Series,
    State,
    Transition,
    Within,
    Workflow,
    adjusted,
    guards_of,
)
from engine.errors import FieldFault, GuardRefused, InvalidInput, NotAllowed, NotPossibleNow, Refusal, StaleCase, Text
from engine.events import EventType, How
from engine.guards import Guard, Situation, not_confirmed_yet

LATEST_CLAIM_MINUTES = 5  # a phone's clock may run ahead by this much before its claim is flagged
OLDEST_CLAIM_DAYS = 7  # an offline phone may bring a finding this old before it is flagged


@dataclass(frozen=True, slots=True)
class PeriodOwed:
    """The period a case is opened for: `name` is `cycle/scope/key`."""

    name: str
    opens_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Setting:
    """What a decision may know besides the case and the command.

    policy           the workflow's numbers as they hold for this organisation
    related          cases the form refers to
    people           person → department of everybody the form names
    addressed        whom the form's audience means today
    departed         who has not confirmed and has left since
    period           the period the case is opened for, if it is
    figures          what was counted for a step that takes figures
    """

    actor: Actor
    policy: Mapping[str, Any]
    calendar: Calendar
    permit: Permit = Permit()
    related: Mapping[str, Case] = field(default_factory=dict)
    people: Mapping[str, str | None] = field(default_factory=dict)
    addressed: tuple[str, ...] = ()
    departed: frozenset[str] = frozenset()
    period: PeriodOwed | None = None
    figures: Mapping[str, Any] | None = None


class Timer(NamedTuple):
    """A rung to be claimed once: unique by case, generation and name."""

    rung: str
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Something to tell about the decision: why, to whom (roles and relations), how."""

    reason: str
    audience: tuple[str, ...]
    how: How
    rung: str | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall be written, all of it or nothing.

    case            as it will stand, but for its revision, its place in the chain and the numbers it still gets
    series          running numbers to draw and keep as facts
    cancels_timers  the rungs of the generation before are void
    cancels_rungs   single rungs that are void (an acknowledged receipt)
    """

    case: Case
    type: EventType
    trigger: str
    from_state: str | None
    data: Mapping[str, Any]
    new_revision: bool = True
    cancels_timers: bool = False
    cancels_rungs: tuple[str, ...] = ()
    timers: tuple[Timer, ...] = ()
    series: tuple[Series, ...] = ()
    opens: tuple[OpenCase, ...] = ()
    links: tuple[Link, ...] = ()
    told: tuple[Told, ...] = ()
    settles: Literal["reported", "waived"] | None = None
    found_at: datetime | None = None
    found_at_flagged: bool = False


# --- people's commands -----------------------------------------------------------------------------------------------


def decide_opening(
    workflow: Workflow, number: str, command: OpenCase, data: Mapping[str, Any], now: datetime, setting: Setting
) -> Decision:
    """A new case at the start of its loop.

    number   already drawn
    data     the opening form's answers, validated
    """
    case = blank_case(workflow, setting.actor, data, now, number)
    if (owed := setting.period) is not None:
        spans = {"period_opens_at": instant_text(owed.opens_at), "period_due_at": instant_text(owed.due_at)}
        case = case.changed(period=owed.name).with_facts(spans)
    if command.parent:
        case = case.linked("parent", command.parent)
    if command.within:
        case = case.linked(WITHIN, command.within)
    asked = Text(f"登记“{workflow.title.zh}”", f"Open a case of {workflow.title.en!r}")
    situation = _situation(case, data, now, setting)
    for guard in guards_of(workflow.opening_guards):
        _require(guard, situation, asked)
    effect = workflow.opening(situation, case) if workflow.opening else Effect(case)
    case = _with_mode(workflow, effect.case)
    again = () if command.rebound_of is None else (Link(REBOUND_OF, command.rebound_of),)
    case, timers = _start_clock(workflow.initial, case, situation, setting, not_before=None)
    return Decision(
        case=case,
        type="opened",
        trigger="open",
        from_state=None,
        data=data,
        timers=timers,
        opens=effect.opens,
        links=(*effect.links, *again),
        told=_waiting(workflow, workflow.initial, case, "waiting"),
        found_at=command.found_at,
        found_at_flagged=_flagged(command.found_at, now),
    )


def blank_case(workflow: Workflow, actor: Actor, data: Mapping[str, Any], now: datetime, number: str = "") -> Case:
    """The case as its opening form draws it, before anything is decided."""
    initial = workflow.initial
    case = Case(
        organisation=actor.organisation,
        number=number,
        workflow=workflow.key,
        version=workflow.version,
        state=initial.name,
        counts_as=initial.counted,
        final=initial.final,
        opened_at=now,
        # whoever is represented reported it: his delegate goes on with it while he stands in, and he himself afterwards
        reporter=actor.standing or actor.person,
    )
    case = _filled_in(case, data)
    if workflow.opened_as:
        case = case.with_acted(workflow.opened_as, *actor.persons)
    return case.with_acted("reporter", *actor.persons)


def decide(
    workflow: Workflow, case: Case, command: FireTrigger, data: Mapping[str, Any], now: datetime, setting: Setting
) -> Decision:
    """What a step makes of a case.

    1. refuse what the case's state does not allow, and what its conditions forbid
    2. put the form's answers where they belong, count, number, remember who acted
    3. move, unless more signatures are needed
    4. start the clock of the new state, void the rungs of the old one
    5. say who has to be told

    Raises NotPossibleNow, GuardRefused. Authority and revision were judged before (`engine.authority`, `check_revision`).
    """
    asked = asked_for(workflow, case, command.trigger)
    transition = workflow.transition(command.trigger, case.state)
    if transition is None:
        raise _not_possible(workflow, case, asked)
    situation = _situation(case, data, now, setting)
    if transition.confirms:
        _require(not_confirmed_yet, situation, asked)
    target = _moved(workflow, case, command.trigger, situation, asked)
    after = case if transition.quiet else _filled_in(case, data)
    if transition.acts_as:
        after = after.with_acted(transition.acts_as, *setting.actor.persons)
    if transition.takes_over:
        after = after.changed(assignee=setting.actor.person).with_acted("assignee", *setting.actor.persons)
    if not setting.permit.completes:
        return _one_signature(workflow, transition, case, after, data, setting)
    if transition.counts:
        after = after.counted(transition.counts)
    if transition.acknowledges:
        after = after.changed(acknowledged_at=now)
    after = _among_many(transition, case, after, data, now, setting, asked)
    state = workflow.state(target)
    moves = target != case.state
    after = after.changed(state=target, counts_as=state.counted, final=state.final)
    if moves:
        after = after.changed(signed={})
        # a new notice; until then the old receipt stays on record. Of many each confirms once, wherever the case stands
        if state.acknowledge and not case.who_acted(ADDRESSEE):
            after = after.changed(acknowledged_at=None, receipt_since=now)
    effect = transition.effect(situation, after) if transition.effect else Effect(after)
    after = effect.case
    after = _with_mode(workflow, after)
    timers: tuple[Timer, ...] = ()
    restarts = moves or transition.restarts or transition.hands_over
    received = case.acknowledged_at is None and after.acknowledged_at is not None
    if state.final:
        after = after.changed(clock=None, closed_at=now)
    elif transition.hands_over and not moves and after.clock is not None:
        after = after.changed(generation=after.generation + 1)
        timers = _timers(state, after, setting, not_before=now)
    elif restarts:
        after, timers = _start_clock(state, after, situation, setting, not_before=now)
    return Decision(
        case=after,
        type="stepped",
        trigger=command.trigger,
        from_state=case.state,
        data=data if command.via is None else {**data, VIA: command.via},
        cancels_timers=restarts,
        new_revision=not transition.confirms,  # whoever looked at it before it was confirmed by one more looked at the same
        cancels_rungs=receipt_rungs(workflow.state(case.state))
        if (transition.acknowledges or received) and not restarts
        else (),
        timers=timers,
        series=(transition.numbers,) if transition.numbers else (),
        opens=effect.opens,
        links=effect.links,
        told=_told(workflow, transition, state, after, setting.policy, moves=moves),
        settles=transition.settles,
        found_at=command.found_at,
        found_at_flagged=_flagged(command.found_at, now),
    )


def _among_many(
    transition: Transition,
    case: Case,
    after: Case,
    data: Mapping[str, Any],
    now: datetime,
    setting: Setting,
    asked: Text,
) -> Case:
    """Who has to know of it from now on, and who has settled that: the receipt of many is there with the last one's."""
    if transition.addresses:
        after = after.with_acted(ADDRESSEE, *setting.addressed)
        if len(after.unconfirmed) > len(case.unconfirmed):
            return after.changed(acknowledged_at=None, receipt_since=now)
    elif transition.confirms:
        himself = (setting.actor.person, *sorted(setting.actor.aliases))
        addressed = frozenset(case.who_acted(ADDRESSEE))
        after = after.with_acted(CONFIRMED, *(person for person in himself if person in addressed))
    elif transition.excuses:
        after = after.with_acted(EXCUSED, *_excused(transition.excuses, case, data, asked))
    else:
        return after
    return after if after.unconfirmed or after.acknowledged_at else after.changed(acknowledged_at=now)


def _excused(name: str, case: Case, data: Mapping[str, Any], asked: Text) -> list[str]:
    """Whom the form excuses. Raises InvalidInput for who is not waited for."""
    waited = frozenset(case.unconfirmed)
    faults = [
        FieldFault(f"{name}.{n}", Text(f"{person!r} 不在未确认的人员之列", f"{person!r} is not among those who have not confirmed"))
        for n, person in enumerate(data[name])
        if person not in waited
    ]  # fmt: skip
    if faults:
        raise InvalidInput(
            asked=asked,
            obstacle=Text("；".join(f.what.zh for f in faults), "; ".join(f.what.en for f in faults)),
            remedy=Text("请从未确认名单中选择", "Choose from those who have not confirmed"),
            fields=faults,
        )
    return list(data[name])


def why_not(workflow: Workflow, transition: Transition, case: Case, now: datetime, setting: Setting) -> Refusal | None:
    """What keeps this actor from this step, as far as it can be known before its form is filled in; None for nothing."""
    asked = asked_for(workflow, case, transition.trigger)
    try:
        judge(workflow, transition, case, setting.actor, setting.policy, asked)
        situation = _situation(case, {}, now, setting)
        if transition.confirms:
            _require(not_confirmed_yet, situation, asked)
        for guard in guards_of(transition.guards):
            if not guard.reads_form:
                _require(guard, situation, asked)
    except Refusal as refusal:
        return refusal
    return None


def is_his_to_take(workflow: Workflow, transition: Transition, case: Case, now: datetime, setting: Setting) -> bool:
    """Whether the step is this actor's as far as it depends on who he is; whether it can be taken now is another matter."""
    try:
        judge(workflow, transition, case, setting.actor, setting.policy, Text("", ""))
    except NotAllowed:
        return False
    situation = _situation(case, {}, now, setting)
    return all(g.holds(situation) for g in guards_of(transition.guards) if g.of_people and not g.reads_form)


def check_revision(workflow: Workflow, case: Case, command: FireTrigger) -> None:
    """Raises StaleCase when the asker looked at an older revision than the case stands at."""
    if command.expected_revision is not None and command.expected_revision != case.revision:
        raise StaleCase(
            case.revision,
            asked=asked_for(workflow, case, command.trigger),
            obstacle=Text(
                f"您看到的是第 {command.expected_revision} 版，该项现已是第 {case.revision} 版",
                f"you saw revision {command.expected_revision}, and the case stands at {case.revision}",
            ),
            remedy=Text("请刷新后核对再办理", "Read it again, then decide"),
        )


def asked_for(workflow: Workflow, case: Case, trigger: str) -> Text:
    title = workflow.triggers[trigger][0].title if trigger in workflow.triggers else Text(trigger, trigger)
    return Text(f"对 {case.number} 办理“{title.zh}”", f"{title.en} {case.number}")


def read_form(form: type[Form], answers: Mapping[str, Any], asked: Text, words: Mapping[str, Text]) -> dict[str, Any]:
    """The answers as validated JSON values. Raises InvalidInput naming each field.

    words   pydantic's error types in both languages; what is not among them is told in pydantic's own English
    """
    try:
        return form.model_validate(dict(answers)).model_dump(mode="json")
    except ValidationError as error:
        faults = [_fault(item, words) for item in error.errors(include_url=False)]
        listed = [f"{f.field} {f.what.zh}" for f in faults], [f"{f.field} {f.what.en}" for f in faults]
        raise InvalidInput(
            asked=asked,
            obstacle=Text("；".join(listed[0]), "; ".join(listed[1])),
            remedy=Text("请按提示改正后重新提交", "Correct these fields and send it again"),
            fields=faults,
        ) from error


def _fault(error: Any, words: Mapping[str, Text]) -> FieldFault:
    path = ".".join(str(part) for part in error["loc"]) or "body"
    context = {key: str(value) for key, value in error.get("ctx", {}).items()}
    if error["type"] == "said":
        return FieldFault(path, Text(context["zh"], context["en"]))
    text = words.get(error["type"])
    if text is None:
        return FieldFault(path, Text(error["msg"], error["msg"]))
    # pydantic lists choices in English: 'a', 'b' or 'c'
    listed = {name: value.replace("', '", "'、'").replace("' or '", "'、'") for name, value in context.items()}
    return FieldFault(path, Text(text.zh.format(**listed), text.en.format(**context)), among_of(error["type"], context))


def among_of(kind: str, context: Mapping[str, str]) -> tuple[str, ...]:
    """What an answer could have been that is none of its choices, out of pydantic's own list of them."""
    return tuple(re.findall(r"'([^']*)'", context["expected"])) if kind in ("literal_error", "enum") else ()


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


def decide_recompute(workflow: Workflow, case: Case, setting: Setting, now: datetime) -> Decision | None:
    """The deadline under the newest calendar; None when it stays where it is."""
    clock = case.clock
    if clock is None:
        return None
    if "period" in clock.budget:
        if setting.period is None:
            return None
        deadline = _of_period(setting.period.due_at, setting.calendar)
        case = case.with_facts({"period_due_at": instant_text(deadline.due_at)})
    else:
        deadline = due_at(Budget.from_json(clock.budget), clock.since, setting.calendar)
    if deadline.due_at == clock.due_at and deadline.provisional == clock.provisional:
        return None
    state = workflow.state(case.state)
    after = _with_clock(case, clock.since, clock.budget, deadline, first=clock.first)
    moved = deadline.due_at != clock.due_at
    return Decision(
        case=after,
        type="recomputed",
        trigger="recompute",
        from_state=case.state,
        data={
            "due_at_before": case.to_json()["clock"]["due_at"],
            "due_at_after": after.to_json()["clock"]["due_at"],
            "calendar_before": clock.calendar_version,
            "calendar_after": deadline.calendar_version,
        },
        cancels_timers=True,
        timers=_timers(state, after, setting, not_before=now),
        told=(Told("recomputed", ("holder",), "digest"),) if moved else (),
    )


# --- moving ----------------------------------------------------------------------------------------------------------


class _Subject:
    """What the shared machine moves: a state, what the guards may see, and the guard that said no."""

    def __init__(self, state: str, situation: Situation) -> None:
        self.state = state
        self.situation = situation
        self.refused_by: Guard | None = None


@cache
def _machine(workflow: Workflow) -> Machine:
    """The shared machine of a definition; a row bound to one of its own took 71 µs and 11.8 KB, a subject 7.5 µs."""
    machine = Machine(
        model=None,
        states=[state.name for state in workflow.states],
        initial=workflow.initial.name,
        auto_transitions=False,  # would draw `to_closed` from every state
        send_event=True,
        queued=False,  # True on a shared machine reports success with the state unmoved
    )
    for transition in workflow.transitions:
        machine.add_transition(
            transition.trigger,
            list(transition.sources),
            transition.target or "=",
            conditions=[
                _condition(guard) for guard in guards_of(transition.guards)
            ],  # never strings: they are imported
        )
    return machine


def _condition(guard: Guard) -> Any:
    def holds(event: EventData) -> bool:
        subject = cast(_Subject, event.model)
        if guard.holds(subject.situation):
            return True
        subject.refused_by = guard
        return False

    return holds


def _moved(workflow: Workflow, case: Case, trigger: str, situation: Situation, asked: Text) -> str:
    """The state the trigger leads to. Raises NotPossibleNow or GuardRefused."""
    subject = _Subject(case.state, situation)
    try:
        moved = _machine(workflow).events[trigger].trigger(subject)
    except MachineError as error:
        raise _not_possible(workflow, case, asked) from error
    if not moved:
        assert subject.refused_by is not None  # the machine says no only where a guard did
        raise _refused(subject.refused_by, asked)
    return subject.state


def _require(guard: Guard, situation: Situation, asked: Text) -> None:
    if not guard.holds(situation):
        raise _refused(guard, asked)


def _refused(guard: Guard, asked: Text) -> GuardRefused:
    return GuardRefused(guard.name, asked=asked, obstacle=guard.obstacle, remedy=guard.remedy)


def _not_possible(workflow: Workflow, case: Case, asked: Text) -> NotPossibleNow:
    possible = [t.title for t in workflow.transitions if case.state in t.sources]
    state = workflow.state(case.state).title
    if not possible:
        remedy = Text(
            "本项已办结，如问题再次出现请新登记", "The case is finished; open a new one if the problem is back"
        )
    else:
        zh, en = "、".join(t.zh for t in possible), ", ".join(t.en for t in possible)
        remedy = Text(f"现在可办理：{zh}", f"Possible from here: {en}")
    return NotPossibleNow(
        asked=asked, obstacle=Text(f"当前处于“{state.zh}”", f"it stands at {state.en!r}"), remedy=remedy
    )


def _one_signature(
    workflow: Workflow, transition: Transition, case: Case, after: Case, data: Mapping[str, Any], setting: Setting
) -> Decision:
    step = str(transition.sign_off)
    signed = {**after.signed, step: (*after.signed.get(step, ()), str(setting.permit.signature))}
    return Decision(
        case=after.changed(signed=signed),
        type="signed",
        trigger=transition.trigger,
        from_state=case.state,
        data=data,
        told=_waiting(workflow, workflow.state(case.state), after, "waiting"),
    )


def _situation(case: Case, data: Mapping[str, Any], now: datetime, setting: Setting) -> Situation:
    return Situation(
        case=case,
        actor=setting.actor,
        data=data,
        now=now,
        today=setting.calendar.local_date(now),
        calendar=setting.calendar,
        policy=setting.policy,
        related=setting.related,
        people=setting.people,
        figures=setting.figures,
        departed=setting.departed,
    )


def _filled_in(case: Case, data: Mapping[str, Any]) -> Case:
    """The form's answers in their places: a few are attributes of the case, the rest are facts. None says nothing."""
    given = {name: value for name, value in data.items() if value is not None}
    columns = {name: given[name] for name in COLUMNS if name in given}
    case = case.changed(**columns).with_facts({n: v for n, v in given.items() if n not in COLUMNS})
    return case.with_acted("assignee", case.assignee) if "assignee" in columns else case


def _with_mode(workflow: Workflow, case: Case) -> Case:
    return case.changed(mode=workflow.sign_off.mode_of(case)) if workflow.sign_off else case


def _flagged(found_at: datetime | None, now: datetime) -> bool:
    if found_at is None:
        return False
    ahead, behind = (found_at - now).total_seconds(), (now - found_at).total_seconds()
    return ahead > LATEST_CLAIM_MINUTES * 60 or behind > OLDEST_CLAIM_DAYS * 86_400


# --- clocks ----------------------------------------------------------------------------------------------------------


def _start_clock(
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
    return case, _timers(state, case, setting, not_before)


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


def _timers(state: State, case: Case, setting: Setting, not_before: datetime | None) -> tuple[Timer, ...]:
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
    if state.acknowledge is None:
        return ()
    return (RECEIPT, *(f"{RECEIPT}-{n}" for n in range(1, len(state.acknowledge.climbs_to))))


# --- telling ---------------------------------------------------------------------------------------------------------


def _waiting(workflow: Workflow, state: State, case: Case, reason: str) -> tuple[Told, ...]:
    if state.final:
        return ()
    how: How = "direct" if workflow.always_direct(case) or reason == "returned" else state.tell
    return (Told(reason, workflow.awaited(case), how),)


def _told(
    workflow: Workflow, transition: Transition, state: State, case: Case, policy: Mapping[str, Any], *, moves: bool
) -> tuple[Told, ...]:
    told: list[Told] = []
    waiting = _waiting(workflow, state, case, transition.reason) if moves else ()
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


def _in_order(state: State, rungs: tuple[str, ...]) -> list[str]:
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
