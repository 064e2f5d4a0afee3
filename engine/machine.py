"""decide(workflow, case, command, now) -> Decision: what a command means for a case. Decides; touches nothing.

The only importer of `transitions`. Its answers to a wrong call are silence, `False`, MachineError or AttributeError;
here they become refusals with words. One shared machine per definition moves a throw-away subject; rows are never
bound to it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

from pydantic import ValidationError
from transitions import EventData, Machine, MachineError

from engine.actor import Actor
from engine.authority import judge
from engine.case import (
    ADDRESSEE,
    CONFIRMED,
    EXCUSED,
    REBOUND_OF,
    WITHIN,
    Case,
    Link,
    instant_text,
)
from engine.commands import FireTrigger, OpenCase
from engine.decision import Decision, Setting, Timer
from engine.definition import (
    COLUMNS,
    VIA,
    Effect,
    Form,
    Transition,
    Workflow,
    guards_of,
)
from engine.errors import FieldFault, GuardRefused, InvalidInput, NotAllowed, NotPossibleNow, Refusal, StaleCase, Text
from engine.guards import Guard, Situation, not_confirmed_yet
from engine.reminding import receipt_rungs, start_clock, timers_of, told_by, told_waiting

LATEST_CLAIM_MINUTES = 5  # a phone's clock may run ahead by this much before its claim is flagged
OLDEST_CLAIM_DAYS = 7  # an offline phone may bring a finding this old before it is flagged


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
    case, timers = start_clock(workflow.initial, case, situation, setting, not_before=None)
    return Decision(
        case=case,
        type="opened",
        trigger="open",
        from_state=None,
        data=data,
        timers=timers,
        opens=effect.opens,
        links=(*effect.links, *again),
        told=told_waiting(workflow, workflow.initial, case, "waiting"),
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
    stands: dict[str, Any] = {"state": target, "counts_as": state.counted, "final": state.final}
    if moves:
        stands["signed"] = {}
        # a new notice; until then the old receipt stays on record. Of many each confirms once, wherever the case stands
        if state.acknowledge and not case.who_acted(ADDRESSEE):
            stands |= {"acknowledged_at": None, "receipt_since": now}
    after = after.changed(**stands)
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
        timers = timers_of(state, after, setting, not_before=now)
    elif restarts:
        after, timers = start_clock(state, after, situation, setting, not_before=now)
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
        told=told_by(workflow, transition, state, after, setting.policy, moves=moves),
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
        told=told_waiting(workflow, workflow.state(case.state), after, "waiting"),
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
    columns = {name: given.pop(name) for name in COLUMNS if name in given}
    case = case.changed(**columns, facts={**case.facts, **given})
    return case.with_acted("assignee", case.assignee) if "assignee" in columns else case


def _with_mode(workflow: Workflow, case: Case) -> Case:
    mode = workflow.sign_off.mode_of(case) if workflow.sign_off else case.mode
    return case if mode == case.mode else case.changed(mode=mode)


def _flagged(found_at: datetime | None, now: datetime) -> bool:
    if found_at is None:
        return False
    ahead, behind = (found_at - now).total_seconds(), (now - found_at).total_seconds()
    return ahead > LATEST_CLAIM_MINUTES * 60 or behind > OLDEST_CLAIM_DAYS * 86_400
