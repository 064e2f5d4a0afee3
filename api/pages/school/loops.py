"""The loops: drawn, and told in tables beside, with their numbers; and a number changed after a look at what that would do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request, Response

from api import policies as numbers
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.checking import OpensDeadCorner
from api.pages.addresses import Pages
from api.pages.forms import Control, label_of
from api.pages.rendering import SCHOOL, go_to, page
from api.pages.school.diagram import Wording, drawn, numbered
from api.pages.school.keeping import Asking, form_page, holding, is_confirmed, keeper, whole
from api.pages.words import WORDS
from api.problems import unknown_address
from engine.deadlines import Ladder, Rung
from engine.definition import State, Workflow
from engine.errors import InvalidInput, Refusal, Text
from engine.store import policies
from workflows.roles import ADMINISTRATOR

router = Pages()

AT = f"{SCHOOL}/workflows"
#: what the numbers of the loops are called; one that is not here is called by its own name
NUMBERS: Mapping[str, Text] = {
    "remind_at": Text("每日提醒时间", "When reminders go out each day"),
    "triage_hours": Text("上报后多少小时内分级交办", "Hours to grade and assign a report"),
    "receipt_hours": Text("多少小时内签收", "Hours to acknowledge a notice"),
    "days3": Text("“3 日”时限实际天数", "Days that the limit '3 days' means"),
    "days7": Text("“7 日”时限实际天数", "Days that the limit '7 days' means"),
    "days15": Text("“15 日”时限实际天数", "Days that the limit '15 days' means"),
    "days30": Text("“30 日”时限实际天数", "Days that the limit '30 days' means"),
    "plan_workdays": Text("多少个工作日内提交治理方案", "Working days to file a plan"),
    "verify_workdays": Text("多少个工作日内复查", "Working days to verify"),
    "approve_workdays": Text("多少个工作日内批准或销号", "Working days to approve it"),
    "returns_before_escalation": Text("退回几次后上报领导", "Returns before leaders are told"),
    "rebound_days": Text("多少天内再现算反弹", "Days within which it counts as a rebound"),
    "verifier_may_approve": Text("复查人可以销号", "Whoever verified may approve"),
    "anonymous_reports": Text("接受扫码匿名上报", "Anonymous reports by QR code are taken"),
    "anonymous_per_place": Text("每处每天最多匿名上报", "Anonymous reports a place and day"),
    "anonymous_per_address": Text("每个网络地址每天最多匿名上报", "Anonymous reports a network address and day"),
    "anonymous_per_day": Text("全校每天最多匿名上报", "Anonymous reports a day in all"),
    "review_workdays": Text("多少个工作日内评估", "Working days to evaluate a drill"),
    "file_workdays": Text("多少个工作日内归档", "Working days to file it"),
    "sign_workdays": Text("多少个工作日内签字", "Working days to sign it"),
    "convey_workdays": Text("多少个工作日内传达", "Working days to convey a notice"),
    "heads_after_workdays": Text(
        "几个工作日后告知未确认人员的负责人", "Working days until heads hear who has not confirmed"
    ),
    "carry_out_workdays": Text(
        "上级未定日期的，多少个工作日内落实", "Working days to carry a notice out, where no day was set"
    ),
    "close_workdays": Text("多少个工作日内办结", "Working days to close it"),
    "check_workdays": Text("多少个工作日内核实", "Working days to check what was done"),
    "compare_workdays": Text("上级未定日期的，多少个工作日内对照检查", "Working days to compare, where no day was set"),
    "draw_workdays": Text("多少个工作日内抽签", "Working days to draw"),
    "issue_workdays": Text(
        "检查截止后多少个工作日内印发清单或办结",
        "Working days after the last day of inspecting to issue the list, or to conclude",
    ),
    "wind_up_workdays": Text("最后阶段结束后多少个工作日内总结", "Working days to wind it up after its last phase"),
    "accept_workdays": Text("填报后多少个工作日内收录", "Working days to accept an answer"),
    "correct_workdays": Text("退回后多少个工作日内重新填报", "Working days to answer again what was sent back"),
    "correction_workdays": Text("更正发起后多少个工作日内报出", "Working days to hand in a correction that was begun"),
    "receipt_workdays": Text("报送后多少个工作日内登记回执", "Working days until a receipt is asked after"),
    "compile_workdays": Text("期间结束后多少个工作日内汇总", "Working days to compile it after its period"),
    "publish_workdays": Text("会上通报后多少个工作日内公示", "Working days to publish what was read out"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A step in the table. `to` is "" where the case stays where it is; `notes` say what else becomes of it."""

    number: int
    title: str
    sources: str
    to: str
    by: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Stand:
    """A state in the table. `others`: for whom it waits in some cases; `receipt`: how soon it is to be acknowledged."""

    title: str
    awaits: str
    others: list[str]
    due: str
    receipt: str


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A row of the sign-off table. `mode` is "" where there is but one."""

    mode: str
    step: str
    by: str
    never: str


@router.get(AT)
def loops_page(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    loops = [(loop.key, loop.title, loop.prefix, loop.version) for loop in runtime.engine.catalog.newest()]
    return page(request, "school_loops.html", asker=asker, active="more", loops=loops, at=AT, back=SCHOOL)


@router.get(f"{AT}/{{key}}")
def loop_page(request: Request, runtime: TheRuntime, asker: SignedIn, key: str, done: str = "") -> Response:
    loop = _loop(runtime, key)
    version, own = _in_force(runtime, asker, loop)
    holds = {**loop.defaults(), **own}
    words = Wording(loop, holds, asker.locale)
    lines = [
        (_called(loop, name), _said(value), name in own)
        for name, value in holds.items()
        if isinstance(value, int | str)
    ]
    may = asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None
    return page(
        request, "school_loop.html", asker=asker, active="more", loop=loop, diagram=drawn(words), steps=_steps(words),
        stands=[_stand(words, state) for state in loop.states], ladders=_ladders(words), signed=_signed(words), numbers=lines, version=version,
        back=AT, policy_at=f"{AT}/{key}/policy", may=may, done=done == "set", opens_by=words.people(loop.opens_by),
    )  # fmt: skip


def _loop(runtime: Runtime, key: str) -> Workflow:
    found = runtime.engine.catalog.get(key)
    if found is None:
        raise unknown_address()
    return found


def _in_force(runtime: Runtime, asker: Asker, loop: Workflow) -> tuple[int, dict[str, Any]]:
    with runtime.database.read(asker.actor.organisation) as connection:
        return policies.in_force(connection, asker.actor.organisation, loop.key)


def _steps(words: Wording) -> list[Told]:
    loop, locale = words.loop, words.locale
    told = []
    for number, step in numbered(loop):
        sources = words.joined([loop.state(name).title.in_(locale) for name in step.sources])
        to = "" if step.target in (None, *step.sources) else loop.state(str(step.target)).title.in_(locale)
        notes = [words.escalates(step)] if step.escalates else []
        told.append(Told(number, step.title.in_(locale), sources, to, words.who(step), notes))
    return told


def _stand(words: Wording, state: State) -> Stand:
    receipt = "" if state.acknowledge is None else words.within(state.acknowledge.within)
    others = [words.in_mode(mode, names) for mode, names in state.awaits_in.items()]
    return Stand(state.title.in_(words.locale), words.people(state.awaits), others, words.due(state), receipt)


def _ladders(words: Wording) -> list[tuple[str, list[tuple[str, str]]]]:
    """(the states it holds for, its rungs: when, and who is told), each ladder once."""
    states: dict[Ladder, list[str]] = {}
    for state in words.loop.states:
        if ladder := words.ladder(state):
            states.setdefault(ladder, []).append(state.title.in_(words.locale))
    return [
        (words.joined(names), [(words.rung(rung), words.told(rung)) for rung in ladder.rungs])
        for ladder, names in states.items()
    ]


def _signed(words: Wording) -> list[SignedBy]:
    steps: dict[str, list[str]] = {}
    for step in words.loop.transitions:
        if step.sign_off is not None:
            steps.setdefault(step.sign_off, []).append(step.title.in_(words.locale))
    return [
        SignedBy(words.mode(mode), words.joined(steps[name]), words.signers(row), words.excluded(row))
        for (mode, name), row in (words.loop.sign_off.rows.items() if words.loop.sign_off else ())
        if name in steps
    ]


def _called(loop: Workflow, name: str) -> Text:
    """As its policy labels it, which a loop from outside does; else by the words of ours."""
    info = loop.policy.model_fields.get(name)
    own = None if info is None else label_of(name, info)
    return own if own is not None and own.zh != name else NUMBERS.get(name, Text(name, name))


def _said(value: Any) -> Text:
    if isinstance(value, bool):
        return WORDS["yes"] if value else WORDS["no"]
    return Text(str(value), str(value))


# --- numbers ----------------------------------------------------------------------------------------------------------


@router.get(f"{AT}/{{key}}/policy")
def policy_form(request: Request, runtime: TheRuntime, asker: SignedIn, key: str) -> Response:
    loop = _loop(runtime, key)
    asker = keeper(asker, _setting(loop))
    _, own = _in_force(runtime, asker, loop)
    said = {name: (_typed(value),) for name, value in {**loop.defaults(), **own}.items()}
    said |= {_at(name): (str(days),) for name, days in _offsets(loop, own).items()}
    return _asking(request, asker, loop, said)


@router.post(f"{AT}/{{key}}/policy")
def policy(request: Request, runtime: TheRuntime, asker: SignedIn, key: str, sent: TheSent) -> Response:
    """First what it would do; set when that was seen."""
    loop = _loop(runtime, key)
    asker = keeper(asker, _setting(loop))
    _, own = _in_force(runtime, asker, loop)
    wanted = _wanted(loop, own, sent)
    try:
        foreseen = numbers.foresee(runtime.engine, asker.actor.organisation, loop, wanted)
    except InvalidInput as refusal:
        return _asking(request, asker, loop, sent.values, refusal)
    if sent.one("seen") != "yes":
        return _foreseen(request, asker, loop, sent, foreseen)
    runtime.writer.must_be_in_place()
    try:
        if foreseen.changed:
            by = asker.account.person  # as the JSON address names him
            numbers.set_numbers(runtime.engine, asker.actor, loop, wanted, by, confirmed=is_confirmed(sent))
    except OpensDeadCorner as refusal:
        return _foreseen(request, asker, loop, sent, foreseen, refusal)
    return go_to(f"{AT}/{key}?done=set")


def _setting(loop: Workflow) -> Text:
    return Text(f"设置“{loop.title.zh}”的规则", f"Set the policy of {loop.key!r}")


def _wanted(loop: Workflow, own: Mapping[str, Any], sent: Sent) -> dict[str, Any]:
    """What differs from how it stands; None takes a number back to the loop's own."""
    wanted: dict[str, Any] = {}
    for name, default in loop.defaults().items():
        if name not in sent.values or not isinstance(default, int | str):
            continue
        said = sent.one(name).strip()
        value: Any = said == "yes" if isinstance(default, bool) else whole(said) if isinstance(default, int) else said
        if value != own.get(name, default):
            wanted[name] = None if value == default else value
    offsets: dict[str, Any] = {}
    for name, rung in _rungs(loop).items():
        days = whole(sent.one(_at(name))) if _at(name) in sent.values else _offsets(loop, own)[name]
        if days != rung.offset_workdays:
            offsets[name] = days
    if offsets != own.get(RUNGS, {}):
        wanted[RUNGS] = offsets or None
    return wanted


# --- when reminders come ----------------------------------------------------------------------------------------------

RUNGS = "rung_offsets"


def _at(rung: str) -> str:
    """The name of its control."""
    return f"{RUNGS}.{rung}"


def _rungs(loop: Workflow) -> dict[str, Rung]:
    """By name, each rung that comes a number of working days before or after a deadline, the earliest first."""
    ladders = [state.ladder for state in loop.states if state.ladder]
    found = {rung.name: rung for ladder in ladders for rung in ladder.rungs if not rung.repeats}
    return dict(sorted(found.items(), key=lambda each: each[1].offset_workdays or 0))


def _offsets(loop: Workflow, own: Mapping[str, Any]) -> dict[str, int]:
    """By rung, working days from the deadline as they hold here."""
    return {name: own.get(RUNGS, {}).get(name, rung.offset_workdays or 0) for name, rung in _rungs(loop).items()}


def _when(loop: Workflow, rung: Rung) -> Text:
    return Text(Wording(loop, {}, "zh").rung(rung), Wording(loop, {}, "en").rung(rung))


def _whom(loop: Workflow, name: str) -> Text:
    """Everybody whom a rung of this name tells, in whatever state."""
    ladders = dict.fromkeys(state.ladder for state in loop.states if state.ladder)
    to = dict.fromkeys(who for ladder in ladders for rung in ladder.rungs if rung.name == name for who in rung.to)
    zh, en = Wording(loop, {}, "zh").people(list(to)), Wording(loop, {}, "en").people(list(to))
    return Text(f"提醒{zh}", f"Reminder to: {en}")


def _foreseen(
    request: Request,
    asker: Asker,
    loop: Workflow,
    sent: Sent,
    foreseen: numbers.Foreseen,
    refusal: Refusal | None = None,
) -> Response:
    changed = [
        (_called(loop, n), _said(before), _said(after))
        for n, (before, after) in foreseen.changed.items() if n != RUNGS
    ]  # fmt: skip
    before, after = (_offsets(loop, {RUNGS: offsets}) for offsets in foreseen.changed.get(RUNGS, ({}, {})))
    changed += [
        (_whom(loop, name), _when(loop, replace(rung, offset_workdays=before[name])),
         _when(loop, replace(rung, offset_workdays=after[name])))
        for name, rung in _rungs(loop).items() if before[name] != after[name]
    ]  # fmt: skip
    running = [(_called(loop, each.number), each.state, each.count) for each in foreseen.running]
    return page(
        request, "school_foreseen.html", asker=asker, active="more", because=refusal, refusal=refusal, loop=loop, changed=changed,
        running=running, opened=foreseen.opened, action=f"{AT}/{loop.key}/policy", back=f"{AT}/{loop.key}/policy",
        said=[(name, sent.one(name)) for name in (*loop.defaults(), *map(_at, _rungs(loop))) if name in sent.values],
    )  # fmt: skip


def _asking(
    request: Request,
    asker: Asker,
    loop: Workflow,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    controls = [
        Control(
            name, _called(loop, name), "yes_no" if isinstance(default, bool) else "whole" if isinstance(default, int) else "line", True,
            tuple(said.get(name, ())), note=Text(f"原定 {default}", f"{default} unless changed") if not isinstance(default, bool) else None,
        )
        for name, default in loop.defaults().items()
        if isinstance(default, int | str)
    ]  # fmt: skip
    controls += [
        Control(
            _at(name), _whom(loop, name), "whole", True, tuple(said.get(_at(name), ())),
            note=Text(f"到期后几个工作日，到期前为负数；原定{_when(loop, rung).zh}",
                      f"Working days after the deadline, negative before it; {_when(loop, rung).en} unless changed"),
        )
        for name, rung in _rungs(loop).items()
    ]  # fmt: skip
    asking = Asking(
        WORDS["change_numbers"], f"{AT}/{loop.key}/policy", WORDS["show_effect"], (f"{AT}/{loop.key}", WORDS["back_to_loop"]), controls,
        about=loop.title.in_(asker.locale), note=WORDS["numbers_note"],
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


def _typed(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
