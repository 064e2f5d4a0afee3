"""check(workflow): everything that can be wrong with a definition, told when it is made.

A workflow that passes can be run: every name in it is known, every case gets to an end, and nobody is waited for who
cannot act.
"""

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError

from engine.actor import ANOTHER_DEPARTMENT
from engine.case import FIVE_STATES
from engine.definition.forms import COLUMNS, Form, Reference, is_typed
from engine.definition.parts import RECEIPT, RELATIONS, VIA, FromPeriod, State, Transition, Within, form_of
from engine.errors import WorkflowError
from engine.guards import EVERYONE_HAS_CONFIRMED, Guard, guard_named

if TYPE_CHECKING:  # only for the reader: a workflow calls `check` when it is made, so this cannot import it first
    from engine.definition.workflow import Workflow

#: triggers whose address under a case is taken
RESERVED_TRIGGERS = frozenset(
    {"addressees", "answers", "deliveries", "events", "evidence", "figures", "inside", "open", "papers", "table"}
)

#: plurals that would hide an address of the API
RESERVED_PLURALS = frozenset(
    {
        "account", "cases", "channels", "check", "cycles", "deliveries", "events", "feeds", "files", "labels", "messages", "overview",
        "papers", "people", "periods", "workflows", "worklist",
    }
)  # fmt: skip


#: what stands in addresses, in columns of 64 characters and in Mermaid's text
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: as numbers of cases begin, `YH-2020-0012`, wherever they are recognised
PREFIX = re.compile(r"[A-Z]{1,8}")


def check(w: "Workflow") -> None:
    """Everything that can be wrong with a definition, in the order a reader would look for it. Raises WorkflowError."""
    _check_names(w)
    if not w.states:
        raise WorkflowError(w.key, "has no states")
    names = [state.name for state in w.states]
    for name in names:
        if names.count(name) > 1:
            raise WorkflowError(w.key, f"state {name!r} is drawn twice")
    if w.plural in RESERVED_PLURALS:
        raise WorkflowError(w.key, f"plural {w.plural!r} is reserved for the API; choose another")
    _check_policy(w)
    for state in w.states:
        _check_state(w, state)
    for transition in w.transitions:
        _check_transition(w, transition, set(names))
    _check_guards(w, "opening", w.opening_guards)
    _check_who(w, "opens_by", w.opens_by)
    for trigger, transitions in w.triggers.items():
        if len({form_of(t) for t in transitions}) > 1:
            raise WorkflowError(w.key, f"trigger {trigger!r} asks for different forms; a trigger has one")
        for source in {s for t in transitions for s in t.sources}:
            if sum(source in t.sources for t in transitions) > 1:
                raise WorkflowError(w.key, f"trigger {trigger!r} is drawn twice from state {source!r}")
    _check_sign_off(w)
    _check_exclusions(w)
    _check_addressing(w)
    _check_rebound_and_cycles(w)
    _check_reachable(w)


def _check_names(w: "Workflow") -> None:
    named = {"key": (w.key,), "plural": (w.plural,), "state": [state.name for state in w.states]}
    for what, names in {**named, "trigger": [t.trigger for t in w.transitions]}.items():
        for name in names:
            if not NAME.fullmatch(name):
                raise WorkflowError(
                    w.key, f"{what} {name!r} is no name: small letters, digits and _ of ASCII, 64 at most"
                )
    for prefix in (w.prefix, *(t.numbers.prefix for t in w.transitions if t.numbers)):
        if not PREFIX.fullmatch(prefix):
            raise WorkflowError(w.key, f"prefix {prefix!r} is none: 1 to 8 capital letters from A to Z")
    if w.version < 1:
        raise WorkflowError(w.key, f"version {w.version!r} is none: they are counted from 1")


def _check_policy(w: "Workflow") -> None:
    try:
        w.policy()
    except ValidationError as error:
        raise WorkflowError(w.key, f"policy {w.policy.__name__!r} has a number without a default: {error}") from error


def _check_state(w: "Workflow", state: State) -> None:
    where = f"state {state.name!r}"
    if state.counts_as is None and state.name not in FIVE_STATES:
        raise WorkflowError(w.key, f"{where} is none of {', '.join(FIVE_STATES)}; say which one it counts as")
    if state.counts_as is not None and state.counts_as not in FIVE_STATES:
        raise WorkflowError(w.key, f"{where} counts as {state.counts_as!r}, which is none of {', '.join(FIVE_STATES)}")
    _check_who(w, f"{where} awaits", state.awaits, needed=not state.final)
    for mode, who in state.awaits_in.items():
        if w.sign_off is None or mode not in w.sign_off.modes:
            raise WorkflowError(
                w.key, f"{where} awaits others in mode {mode!r}, which the sign-off table does not know"
            )
        _check_who(w, f"{where} awaits in mode {mode!r}", who)
    if state.final and (state.due or state.ladder or state.acknowledge):
        raise WorkflowError(w.key, f"{where} is final and still has a clock")
    if state.ladder and state.due is None:
        raise WorkflowError(w.key, f"{where} has a ladder but no deadline to count its rungs from")
    if state.acknowledge and state.due is None:
        raise WorkflowError(w.key, f"{where} wants a receipt but has no clock that would ask for it")
    if isinstance(state.due, FromPeriod) and not w.cycles:
        raise WorkflowError(w.key, f"{where} is due with a period, but the workflow has no cycle")
    for rung in state.ladder.rungs if state.ladder else ():
        if rung.name == RECEIPT or rung.name.startswith(f"{RECEIPT}-"):
            raise WorkflowError(w.key, f"{where}: rung {rung.name!r} is called like a receipt's; choose another name")
        _check_who(w, f"{where}, rung {rung.name!r}", rung.to)
    for within in (state.due, state.acknowledge.within if state.acknowledge else None):
        if isinstance(within, Within):
            _check_within(w, where, within)
    for audience in state.acknowledge.climbs_to if state.acknowledge else ():
        _check_who(w, f"{where}, receipt", audience)


def _check_within(w: "Workflow", where: str, within: Within) -> None:
    given = [amount for amount in (within.hours, within.days, within.workdays) if amount is not None]
    if len(given) != 1:
        raise WorkflowError(w.key, f"{where}: a time has exactly one of hours, days, workdays")
    if isinstance(given[0], str) and given[0] not in w.policy.model_fields:
        raise WorkflowError(w.key, f"{where}: policy {given[0]!r} is not one of {sorted(w.policy.model_fields)}")
    number = w.defaults()[given[0]] if isinstance(given[0], str) else given[0]
    if not isinstance(number, int) or isinstance(number, bool) or number < (0 if within.days is not None else 1):
        raise WorkflowError(w.key, f"{where}: {number!r} is no time; it has to be a whole number of at least 1")


def _check_transition(w: "Workflow", t: Transition, names: set[str]) -> None:
    where = f"transition {t.trigger!r}"
    for source in t.sources:
        if source not in names:
            raise WorkflowError(w.key, f"{where} starts from {source!r}, which is not a state{_meant(source, names)}")
        if w.state(source).final:
            raise WorkflowError(
                w.key, f"{where} starts from {source!r}, which is final: nothing is done to it any more"
            )
    if t.target is not None and t.target not in names:
        raise WorkflowError(w.key, f"{where} leads to {t.target!r}, which is not a state{_meant(t.target, names)}")
    if (not t.by and not t.sign_off) or (t.by and t.sign_off and not t.alone):
        raise WorkflowError(w.key, f"{where} needs either `by` or `sign_off`, and both only where it sends back alone")
    if set(t.by) and set(t.by) <= set(t.never):
        raise WorkflowError(w.key, f"{where} excludes everyone it names: {', '.join(t.by)}")
    if t.trigger in RESERVED_TRIGGERS:
        raise WorkflowError(w.key, f"{where} is reserved for the API; choose another name")
    if t.by:
        _check_who(w, where, t.by)
    _check_who(w, f"{where} never", t.never, needed=False)
    if isinstance(t.form, str) and t.form not in Form.registered:
        raise WorkflowError(w.key, f"{where} asks for form {t.form!r}, which nobody registered")
    _check_guards(w, where, t.guards)
    _check_taken_from_message(w, where, t)
    if t.draws is not None and _is_for_people(form_of(t), t.draws):
        raise WorkflowError(
            w.key, f"{where} draws a seed into {t.draws!r}, which is no field of its form that is not typed"
        )
    _check_who(w, f"{where} tells", t.tells, needed=False)
    if t.escalates:
        _check_who(w, f"{where} escalates", t.escalates.to)
        if isinstance(t.escalates.at, str) and t.escalates.at not in w.policy.model_fields:
            raise WorkflowError(w.key, f"{where} escalates at policy {t.escalates.at!r}, which does not exist")
        counted = {other.counts for other in w.transitions if other.counts}
        if t.escalates.counter not in counted:
            missing = f"{t.escalates.counter!r}, which no step counts{_meant(t.escalates.counter, counted)}"
            raise WorkflowError(w.key, f"{where} escalates by {missing}")
    if t.settles and not w.cycles:
        raise WorkflowError(w.key, f"{where} settles a period, but the workflow has no cycle")
    if t.numbers and t.numbers.prefix == w.prefix:
        raise WorkflowError(w.key, f"{where} draws numbers under {w.prefix!r}, which the cases themselves have")


def _is_for_people(form: type[Form], name: str) -> bool:
    """Whether the form has no such field, or one that people fill in or have to."""
    field = form.model_fields.get(name)
    return field is None or field.is_required() or is_typed(field)


def _check_taken_from_message(w: "Workflow", where: str, t: Transition) -> None:
    """An acknowledgement is taken with one tap from a message: so it decides nothing, moves nothing, and is nobody's but his
    who was given the case.
    """
    if VIA in form_of(t).model_fields:
        raise WorkflowError(w.key, f"{where} asks for {VIA!r}, which says by which channel a step was taken")
    if not (t.acknowledges or t.confirms):
        return
    does = {
        "moves the case": t.target is not None,
        "signs": t.sign_off is not None or t.acts_as is not None,
        "asks for a form": bool(form_of(t).model_fields),
        "changes something besides": t.effect is not None or t.outcomes is not None or bool(t.counts or t.numbers),
        "touches the clock": t.restarts or t.hands_over or t.takes_over,
        "settles a period": t.settles is not None,
        "escalates": t.escalates is not None,
        "addresses or excuses others": bool(t.addresses or t.excuses),
    }
    for what, so in does.items():
        if so:
            raise WorkflowError(w.key, f"{where} acknowledges and {what}; an acknowledgement decides nothing")
    if t.confirms:
        if t.acknowledges or t.by != ("addressee",):
            raise WorkflowError(w.key, f"{where} confirms; that is each addressee's own, and nobody else's")
        return
    for name in t.by:
        if name in w.roles or name in ("anyone", "stranger", "system"):
            raise WorkflowError(w.key, f"{where} acknowledges by {name!r}; only who was given the case can")
    if any(w.state(source).acknowledge is None for source in t.sources):
        raise WorkflowError(w.key, f"{where} acknowledges where no receipt is asked for")
    if any(other.acknowledges and other is not t and set(other.sources) & set(t.sources) for other in w.transitions):
        raise WorkflowError(w.key, f"{where} is not the only acknowledgement of its state")


def _check_guards(w: "Workflow", where: str, guards: tuple[Guard | str, ...]) -> None:
    for item in guards:
        name = item if isinstance(item, str) else item.name
        registered = guard_named(name)
        if registered is None or (isinstance(item, Guard) and item is not registered):
            raise WorkflowError(w.key, f"{where} is guarded by {name!r}, which nobody registered")


def _check_who(w: "Workflow", where: str, who: tuple[str, ...], *, needed: bool = True) -> None:
    if needed and not who:
        raise WorkflowError(w.key, f"{where}: nobody is named, so nobody could ever act")
    for name in who:
        role = name.removesuffix(ANOTHER_DEPARTMENT)
        if name not in RELATIONS and role not in w.roles:
            known = set(w.roles) | set(RELATIONS)
            raise WorkflowError(w.key, f"{where} names {name!r}, which is no role and no relation{_meant(role, known)}")


def _check_sign_off(w: "Workflow") -> None:
    steps = {t.sign_off for t in w.transitions if t.sign_off}
    if steps and w.sign_off is None:
        raise WorkflowError(w.key, f"steps {sorted(steps)} need a sign-off table, and there is none")
    if w.sign_off is None:
        return
    for mode in sorted(w.sign_off.modes):
        for step in sorted(steps):
            row = w.sign_off.rows.get((mode, step))
            if row is None:
                raise WorkflowError(w.key, f"the sign-off table has no row for mode {mode!r}, step {step!r}")
            _check_who(w, f"sign-off {mode}/{step}", row.by)
            _check_who(w, f"sign-off {mode}/{step} never", row.never, needed=False)
            if row.count < 1:
                raise WorkflowError(w.key, f"sign-off {mode}/{step} asks for {row.count} persons")
            for policy in row.waived_by.values():
                if policy not in w.policy.model_fields:
                    raise WorkflowError(w.key, f"sign-off {mode}/{step} is waived by {policy!r}, which is no policy")


def _check_exclusions(w: "Workflow") -> None:
    """A relation that excludes must be one somebody can come to stand in: a typo in `acts_as` would lift it unseen."""
    taken = {"assignee", "reporter", "inspector"} | {t.acts_as for t in w.transitions if t.acts_as}
    if w.opened_as:
        taken.add(w.opened_as)
    excluded = [(f"transition {t.trigger!r}", t.never) for t in w.transitions]
    if w.sign_off is not None:
        excluded += [(f"sign-off {mode}/{step}", row.never) for (mode, step), row in w.sign_off.rows.items()]
    for where, never in excluded:
        for relation in never:
            if relation not in taken:
                raise WorkflowError(w.key, f"{where} never lets {relation!r} act, but no step makes anybody that")


def _check_addressing(w: "Workflow") -> None:
    """Whoever is addressed can confirm, or be excused: else a case could wait for him for good."""
    confirmed = {source for t in w.transitions if t.confirms for source in t.sources}
    excused = {source for t in w.transitions if t.excuses for source in t.sources}
    for t in w.transitions:
        where = f"transition {t.trigger!r}"
        for what, kind in ((t.addresses, "audience"), (t.excuses, "addressee")):
            if what is not None and (what, kind) not in _lists_of(form_of(t)):
                raise WorkflowError(w.key, f"{where} reads {what!r}, which is no list of {kind}s of its form")
        if t.addresses:
            for state in (t.target,) if t.target is not None else t.sources:
                if state not in confirmed:
                    raise WorkflowError(w.key, f"{where} addresses people who cannot confirm in state {state!r}")
        waits = t.confirms or any(_name_of(item) == EVERYONE_HAS_CONFIRMED for item in t.guards)
        for state in t.sources if waits else ():
            if state not in excused:
                raise WorkflowError(w.key, f"{where} waits in state {state!r} for people whom nobody can excuse there")
    for drawn in w.states:
        receipt = drawn.acknowledge
        if receipt is None:
            continue
        where = f"state {drawn.name!r}, receipt"
        if not receipt.heads and any("unconfirmed_heads" in audience for audience in receipt.climbs_to):
            raise WorkflowError(w.key, f"{where}: nobody says which roles the heads hold")
        _check_who(w, f"{where}, heads", receipt.heads, needed=False)


def _name_of(item: Guard | str) -> str:
    return item if isinstance(item, str) else item.name


def _lists_of(form: type[Form]) -> set[tuple[str, str]]:
    """(field, kind) of the fields of a form that are lists of references."""
    inner = {name: get_args(info.annotation) for name, info in form.model_fields.items()}
    return {
        (name, mark.kind)
        for name, options in inner.items()
        for option in options
        for mark in get_args(option)
        if isinstance(mark, Reference)
    }


def _check_rebound_and_cycles(w: "Workflow") -> None:
    if w.rebound:
        for name in w.rebound.same:
            if name not in COLUMNS:
                raise WorkflowError(w.key, f"a rebound cannot agree in {name!r}; only in {', '.join(COLUMNS)}")
        if not isinstance(w.defaults().get(w.rebound.within_days), int):
            raise WorkflowError(w.key, f"the rebound's policy {w.rebound.within_days!r} is no number of days")
    keys = [rule.cycle.key for rule in w.cycles]
    for rule in w.cycles:
        if keys.count(rule.cycle.key) > 1:
            raise WorkflowError(w.key, f"cycle {rule.cycle.key!r} is drawn twice")
        if rule.cycle.workflow != w.key:
            raise WorkflowError(
                w.key, f"cycle {rule.cycle.key!r} opens cases of {rule.cycle.workflow!r}, not of this one"
            )


def _check_reachable(w: "Workflow") -> None:
    moves = {(s, t.target) for t in w.transitions for s in t.sources if t.target is not None and t.target != s}
    reached = _closure({w.initial.name}, moves)
    for state in w.states:
        if state.name not in reached:
            raise WorkflowError(w.key, f"state {state.name!r} cannot be reached from {w.initial.name!r}")
    finals = {state.name for state in w.states if state.final}
    if not finals:
        raise WorkflowError(w.key, "has no final state, so no case could ever close")
    ends = _closure(finals, {(target, source) for source, target in moves})
    for state in w.states:
        if not state.final and not any(source == state.name for source, _ in moves):
            raise WorkflowError(w.key, f"no one may leave state {state.name!r}: no step leads out of it")
        if state.name not in ends:
            raise WorkflowError(w.key, f"from state {state.name!r} no final state can be reached")


def _closure(start: set[str], moves: set[tuple[str, str]]) -> set[str]:
    reached = set(start)
    while more := {target for source, target in moves if source in reached} - reached:
        reached |= more
    return reached


def _meant(name: str, known: set[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
