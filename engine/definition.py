"""A workflow as data: its states, steps, forms, sign-off, clocks and numbers. Refuses to be built wrong.

    Workflow
    ├── State            where a case can stand, whom it waits for, how long, who is told when it takes longer
    ├── Transition       one step: from where to where, by whom, with which form, under which conditions
    ├── SignOff          who confirms a step, how many, and who never, by the mode of the case
    ├── CycleRule        what the workflow opens by itself, and for whom
    └── policy           the numbers an organisation may change

Checked when the value is made, so while its module is imported: a workflow that exists can be run.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from dataclasses import Field as DataclassField
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError, PydanticUndefined

from engine.actor import ANOTHER_DEPARTMENT
from engine.audit import canonical
from engine.case import FIVE_STATES, Case, CountsAs, Link
from engine.commands import OpenCase
from engine.cycles import Cycle
from engine.deadlines import Budget, Ladder
from engine.errors import Text, WorkflowError
from engine.events import How
from engine.guards import Guard, Situation, guard_named

# --- forms -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a form field that names something which must exist: handle looks it up before the step is decided."""

    kind: Literal["person", "department", "case", "file"]


PersonRef = Annotated[str, StringConstraints(min_length=1, max_length=64), Reference("person")]
DepartmentRef = Annotated[str, StringConstraints(min_length=1, max_length=32), Reference("department")]
CaseRef = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,8}-\d{4}-\d{4,}$"), Reference("case")]
FileRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Reference("file")]
Day = Annotated[
    date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))
]  # calendars end, and arithmetic on far days is slow
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class Form(BaseModel):
    """What a step asks for. The web form, the API body and the CLI are drawn from it; its class name is its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, ser_json_temporal="iso8601")
    registered: ClassVar[dict[str, type["Form"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        known = Form.registered.get(cls.__name__)
        if known is not None and known.__module__ != cls.__module__:
            raise WorkflowError("?", f"form {cls.__name__!r} is registered already by {known.__module__}")
        Form.registered[cls.__name__] = cls


def asks(zh: str, en: str, *, default: Any = PydanticUndefined, **bounds: Any) -> Any:
    """A form field with its label in both languages."""
    return Field(default, title=zh, json_schema_extra={"zh": zh, "en": en}, **bounds)


def said(text: Text) -> PydanticCustomError:
    """A validator's own sentence, in both languages; it stands among others, so it carries no full stop."""
    return PydanticCustomError("said", "{en}", {"zh": text.zh.rstrip("。"), "en": text.en.rstrip(".")})


class Nothing(Form):
    """A step that asks for nothing but the will to take it."""


#: form fields that become attributes of the case instead of facts
COLUMNS = ("title", "place", "category", "level", "department", "assignee")


def references(form: type[BaseModel], data: Mapping[str, Any], path: str = "") -> list[tuple[str, str, str]]:
    """(dotted field, kind, value) for everything the answers refer to, however deep it lies."""
    found: list[tuple[str, str, str]] = []
    for name, info in form.model_fields.items():
        found += _referred(info.annotation, info.metadata, data.get(name), f"{path}{name}")
    return found


def _referred(annotation: Any, metadata: Sequence[Any], value: Any, path: str) -> list[tuple[str, str, str]]:
    if value is None:
        return []
    if marks := [item.kind for item in metadata if isinstance(item, Reference)]:
        return [(path, marks[0], value)]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _referred(inner[0], inner[1:], value, path)
    if origin is list:
        return [r for n, item in enumerate(value) for r in _referred(inner[0], (), item, f"{path}.{n}")]
    if origin is dict:
        return [r for key, item in value.items() for r in _referred(inner[1], (), item, f"{path}.{key}")]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return references(annotation, value, f"{path}.")
    return [r for option in inner for r in _referred(option, (), value, path)]  # the options of a union


# --- who -------------------------------------------------------------------------------------------------------------

#: relations a person can have to a case; everything else a definition names is a role
RELATIONS: Mapping[str, Text] = {
    "anyone": Text("本单位任何已登录人员", "anyone signed in here"),
    "reporter": Text("上报人", "the reporter"),
    "submitter": Text("填报人", "whoever handed it in"),
    "asker": Text("申请人", "whoever asked for it"),
    "inspector": Text("检查人", "the inspector"),
    "assignee": Text("整改责任人", "the assignee"),
    "fixer": Text("整改人", "whoever fixed it"),
    "verifier": Text("复查人", "whoever verified it"),
    "holder": Text("当前应办人", "whoever it waits for"),
    "system": Text("系统", "the system"),
}


# --- time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Within:
    """A fixed allowance. A string names the policy that holds the number, so that an organisation can change it."""

    hours: int | str | None = None
    days: int | str | None = None
    workdays: int | str | None = None

    def budget(self, policy: Mapping[str, Any]) -> Budget:
        unit, amount = self.given
        number: int = policy[amount] if isinstance(amount, str) else amount
        return Budget.from_json({unit: number})

    @property
    def given(self) -> tuple[str, int | str]:
        [one] = [(u, a) for u in ("hours", "days", "workdays") if (a := getattr(self, u)) is not None]
        return one


@dataclass(frozen=True, slots=True)
class FromFact:
    """The allowance a step wrote down under this fact, as `Budget.to_json` spells it."""

    fact: str


@dataclass(frozen=True, slots=True)
class FromPeriod:
    """The deadline of the period the case was opened for."""


Due = Within | FromFact | FromPeriod


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Receipt has to be acknowledged within a time, else it climbs: at the limit to the first, a working day later on."""

    within: Within
    climbs_to: tuple[tuple[str, ...], ...]


# --- states and steps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """Where a case can stand. `counts_as` one of the five, so that lists and figures of all workflows speak one language.

    awaits       whose move it is: told on entry, reminded, listed under *waiting for me*
    awaits_in    by mode of the case, where the sign-off table asks for others than `awaits`
    also_awaits  whoever a request within the state waits for: listed under *waiting for me*, besides the others
    """

    name: str
    title: Text
    awaits: tuple[str, ...] = ()
    awaits_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    also_awaits: Callable[[Case], tuple[str, ...]] | None = None
    due: Due | None = None
    ladder: Ladder | None = None
    acknowledge: Acknowledge | None = None
    counts_as: CountsAs | None = None
    final: bool = False
    tell: How = "digest"

    @property
    def counted(self) -> CountsAs:
        return self.counts_as or cast(CountsAs, self.name)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step does besides moving: the case as it shall be, cases to open, bonds to tie."""

    case: Case
    opens: tuple[OpenCase, ...] = ()
    links: tuple[Link, ...] = ()


EffectFunction = Callable[[Situation, Case], Effect]


@dataclass(frozen=True, slots=True)
class Series:
    """A running number of its own, by year: the fact it is kept under and its prefix (`TZ-2020-0007`).

    once   draw none when the case has one already
    """

    fact: str
    prefix: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Escalation:
    """When a counter reaches a number (or each time past it), these are told at once."""

    counter: str
    at: int | str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """One step. `target` None stays where it is. Either `by` says who may, or `sign_off` names a row of the table.
    A step that sends back (`alone`) may name both: whoever the table names, and these.

    never          relations that exclude a person from it, whatever role he holds (the table has its own)
    alone          one signature is enough and nobody is excluded: to send back lets nothing pass, and must never be stuck
    quiet          the answers stay in the event; what becomes of them is the effect's business
    settles        what becomes of the period the case was opened for
    form           what it asks for; one form per trigger
    guards         conditions, in the order they are checked
    effect         what it does besides moving (pure)
    acts_as        the relation the person acting takes on; separation reads it over the whole history
    restarts       a new generation of the clock even though the state stays (an extension)
    hands_over     a new generation that keeps the clock as it runs: somebody else, the same limit
    acknowledges   stops the clock of the receipt
    tells          who else hears of it
    """

    trigger: str
    source: str | tuple[str, ...]
    target: str | None
    title: Text
    by: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    sign_off: str | None = None
    alone: bool = False
    form: type[Form] | str = Nothing
    guards: tuple[Guard | str, ...] = ()
    effect: EffectFunction | None = None
    acts_as: str | None = None
    counts: str | None = None
    restarts: bool = False
    hands_over: bool = False
    acknowledges: bool = False
    numbers: Series | None = None
    quiet: bool = False
    settles: Literal["reported", "waived"] | None = None
    tells: tuple[str, ...] = ()
    escalates: Escalation | None = None
    reason: str = "waiting"

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,) if isinstance(self.source, str) else self.source


@dataclass(frozen=True, slots=True)
class Signing:
    """One row of the sign-off table: who signs, how many distinct persons, and who never.

    never          relations; persons, not roles, over the whole history, those represented included
    waived_by      relation → the policy that, when true, lifts this one exclusion
    not_all_from   "fixing_department": the signers may not all belong to the department that answers for the case
    """

    by: tuple[str, ...]
    count: int = 1
    never: tuple[str, ...] = ()
    waived_by: Mapping[str, str] = field(default_factory=dict)
    not_all_from: str | None = None


@dataclass(frozen=True, slots=True)
class SignOff:
    """The sign-off table: (mode, step) → Signing. `mode_of` reads the mode from the case."""

    rows: Mapping[tuple[str, str], Signing]
    mode_of: Callable[[Case], str]

    @property
    def modes(self) -> frozenset[str]:
        return frozenset(mode for mode, _ in self.rows)


@dataclass(frozen=True, slots=True)
class Rebound:
    """A new case that agrees with one closed at most `within_days` ago in these attributes is bound to it."""

    same: tuple[str, ...]
    within_days: str


@dataclass(frozen=True, slots=True)
class CycleRule:
    """A cycle and what its periods open: `data` gives the opening form's answers from the scope and the civil key."""

    cycle: Cycle
    title_of: Callable[[str, str], Text]
    data: Callable[[str, str], Mapping[str, Any]]


class Policy(BaseModel):
    """The numbers an organisation may change. Defaults hold until it does; bounds are checked when it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    remind_at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "07:40"
    rung_offsets: dict[str, int] = {}  # rung name → working days from the deadline, where they differ from the ladder's


def _nothing_goes_direct(_: Case) -> bool:
    return False


# --- the workflow ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)  # one value a definition: hashed by identity, so that its machine can be cached
class Workflow:
    """A loop, whole. `plural` is its name in addresses, `prefix` in numbers; a published version never changes.

    opens_by       who may open a case
    opening        what opening does besides storing the form (pure)
    roles          the roles this definition may name, with their titles
    always_direct  cases whose every reminder goes out at once instead of in the day's digest
    """

    key: str
    plural: str
    version: int
    prefix: str
    title: Text
    opens_with: type[Form]
    opens_by: tuple[str, ...]
    states: Sequence[State]
    transitions: Sequence[Transition]
    roles: Mapping[str, Text]
    sign_off: SignOff | None = None
    policy: type[Policy] = Policy
    opening: EffectFunction | None = None
    opening_guards: tuple[Guard | str, ...] = ()
    opened_as: str | None = None
    rebound: Rebound | None = None
    cycles: tuple[CycleRule, ...] = ()
    always_direct: Callable[[Case], bool] = _nothing_goes_direct

    def __post_init__(self) -> None:
        _check(self)

    def awaited(self, case: Case) -> tuple[str, ...]:
        """Whose move it is: roles and relations."""
        state = self.state(case.state)
        others = state.also_awaits(case) if state.also_awaits else ()
        return (*state.awaits_in.get(case.mode, state.awaits), *others)

    @property
    def initial(self) -> State:
        return self.states[0]

    def state(self, name: str) -> State:
        return self._states[name]

    @cached_property
    def _states(self) -> dict[str, State]:
        return {state.name: state for state in self.states}

    @cached_property
    def triggers(self) -> dict[str, tuple[Transition, ...]]:
        """Trigger → its transitions, in the order they are drawn."""
        found: dict[str, tuple[Transition, ...]] = {}
        for transition in self.transitions:
            found[transition.trigger] = (*found.get(transition.trigger, ()), transition)
        return found

    def transition(self, trigger: str, state: str) -> Transition | None:
        """The transition this trigger takes from this state, if there is one."""
        return next((t for t in self.triggers.get(trigger, ()) if state in t.sources), None)

    def form_of(self, trigger: str) -> type[Form]:
        return form_of(self.triggers[trigger][0])

    def called(self, name: str) -> Text:
        """A role or relation in words."""
        if name.endswith(ANOTHER_DEPARTMENT):
            role = self.roles[name.removesuffix(ANOTHER_DEPARTMENT)]
            return Text(f"其他部门的{role.zh}", f"{role.en} (of another department)")
        return RELATIONS.get(name) or self.roles[name]

    def defaults(self) -> dict[str, Any]:
        return self.policy().model_dump(mode="json")

    def checked_policy(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The organisation's own numbers, checked; only what it set. Raises ValueError with every fault in one sentence."""
        checked = self.policy.model_validate(dict(overrides)).model_dump(mode="json", exclude_unset=True)
        for name in (offsets := checked.get("rung_offsets", {})):
            if not any(name == rung.name for state in self.states if state.ladder for rung in state.ladder.rungs):
                raise ValueError(f"no ladder of {self.key!r} has a rung {name!r}")
        for state in self.states:
            if state.ladder:
                adjusted(state.ladder, offsets)
        return checked

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything that gives the definition its meaning; pinned by the tests for published versions."""
        return hashlib.sha256(canonical(_described(self))).hexdigest()


def adjusted(ladder: Ladder, offsets: Mapping[str, int]) -> Ladder:
    """The ladder with an organisation's own offsets; those of other ladders' rungs do not concern it."""
    here = {rung.name: offsets[rung.name] for rung in ladder.rungs if rung.name in offsets}
    return ladder.with_offsets(here) if here else ladder


def form_of(transition: Transition) -> type[Form]:
    return Form.registered[transition.form] if isinstance(transition.form, str) else transition.form


def guards_of(items: tuple[Guard | str, ...]) -> list[Guard]:
    return [guard for item in items if (guard := guard_named(item) if isinstance(item, str) else item)]


class Catalog:
    """Every workflow this program carries, by key and version.

    overseers   roles whose holders see every case of their organisation, whatever the scope of the role
    """

    def __init__(self, workflows: Sequence[Workflow], overseers: frozenset[str] = frozenset()) -> None:
        self.overseers = overseers
        self._by_version: dict[tuple[str, int], Workflow] = {}
        for workflow in workflows:
            if (workflow.key, workflow.version) in self._by_version:
                raise WorkflowError(workflow.key, f"version {workflow.version} is defined twice")
            self._by_version[workflow.key, workflow.version] = workflow
        for name in ("plural", "prefix"):
            taken: dict[str, str] = {}
            for workflow in self.newest():
                value = str(getattr(workflow, name))
                if value in taken:
                    raise WorkflowError(workflow.key, f"{name} {value!r} is taken by workflow {taken[value]!r}")
                taken[value] = workflow.key

    def newest(self) -> list[Workflow]:
        """The version new cases are opened with, of each workflow."""
        newest: dict[str, Workflow] = {}
        for (key, version), workflow in self._by_version.items():
            if key not in newest or newest[key].version < version:
                newest[key] = workflow
        return list(newest.values())

    def get(self, key: str, version: int | None = None) -> Workflow | None:
        if version is not None:
            return self._by_version.get((key, version))
        return next((w for w in self.newest() if w.key == key), None)

    def of(self, case: Case) -> Workflow:
        return self._by_version[case.workflow, case.version]

    def cycles(self) -> list[tuple[Workflow, CycleRule]]:
        return [(workflow, rule) for workflow in self.newest() for rule in workflow.cycles]


# --- what is checked -------------------------------------------------------------------------------------------------

#: triggers whose address under a case is taken
RESERVED_TRIGGERS = frozenset({"events", "open"})

RECEIPT = "receipt"  # the rungs of a receipt are called `receipt`, `receipt-1`, …

#: plurals that would hide an address of the API
RESERVED_PLURALS = frozenset(
    {"cases", "events", "worklist", "workflows", "cycles", "periods", "files", "people", "check"}
)  # fmt: skip


def _check(w: Workflow) -> None:
    """Everything that can be wrong with a definition, in the order a reader would look for it. Raises WorkflowError."""
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
    _check_rebound_and_cycles(w)
    _check_reachable(w)


def _check_policy(w: Workflow) -> None:
    try:
        w.policy()
    except ValidationError as error:
        raise WorkflowError(w.key, f"policy {w.policy.__name__!r} has a number without a default: {error}") from error


def _check_state(w: Workflow, state: State) -> None:
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


def _check_within(w: Workflow, where: str, within: Within) -> None:
    given = [amount for amount in (within.hours, within.days, within.workdays) if amount is not None]
    if len(given) != 1:
        raise WorkflowError(w.key, f"{where}: a time has exactly one of hours, days, workdays")
    if isinstance(given[0], str) and given[0] not in w.policy.model_fields:
        raise WorkflowError(w.key, f"{where}: policy {given[0]!r} is not one of {sorted(w.policy.model_fields)}")
    number = w.defaults()[given[0]] if isinstance(given[0], str) else given[0]
    if not isinstance(number, int) or isinstance(number, bool) or number < (0 if within.days is not None else 1):
        raise WorkflowError(w.key, f"{where}: {number!r} is no time; it has to be a whole number of at least 1")


def _check_transition(w: Workflow, t: Transition, names: set[str]) -> None:
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


def _check_guards(w: Workflow, where: str, guards: tuple[Guard | str, ...]) -> None:
    for item in guards:
        name = item if isinstance(item, str) else item.name
        registered = guard_named(name)
        if registered is None or (isinstance(item, Guard) and item is not registered):
            raise WorkflowError(w.key, f"{where} is guarded by {name!r}, which nobody registered")


def _check_who(w: Workflow, where: str, who: tuple[str, ...], *, needed: bool = True) -> None:
    if needed and not who:
        raise WorkflowError(w.key, f"{where}: nobody is named, so nobody could ever act")
    for name in who:
        role = name.removesuffix(ANOTHER_DEPARTMENT)
        if name not in RELATIONS and role not in w.roles:
            known = set(w.roles) | set(RELATIONS)
            raise WorkflowError(w.key, f"{where} names {name!r}, which is no role and no relation{_meant(role, known)}")


def _check_sign_off(w: Workflow) -> None:
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


def _check_exclusions(w: Workflow) -> None:
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


def _check_rebound_and_cycles(w: Workflow) -> None:
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


def _check_reachable(w: Workflow) -> None:
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


# --- what it looks like ----------------------------------------------------------------------------------------------


def _described(value: Any) -> Any:
    """A definition as plain JSON: functions by their names, forms and policies by their schema."""
    if isinstance(value, Workflow):
        said = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != _default_of(f)}
        attributes = {name: _described(item) for name, item in said.items()}
        return {**attributes, "opens_with": _form(value.opens_with), "policy": _form(value.policy)}
    if isinstance(value, type) and issubclass(value, BaseModel):
        return _form(value)
    if isinstance(value, Guard):
        return value.name
    if isinstance(value, Text):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        # with its class: Week() and Month() have no fields to tell them apart; without what was left at its default,
        # so that a new ability of the engine changes no definition that does not use it
        said = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != _default_of(f)}
        return {"is": type(value).__name__} | {name: _described(item) for name, item in said.items()}
    if isinstance(value, Mapping):
        return {"/".join(k) if isinstance(k, tuple) else str(k): _described(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_described(item) for item in value]
    if callable(value):
        return value.__name__
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def _default_of(attribute: DataclassField[Any]) -> Any:
    return attribute.default_factory() if attribute.default_factory is not MISSING else attribute.default


def _form(form: type[BaseModel]) -> dict[str, Any]:
    return {"name": form.__name__, "fields": _meaning(form.model_json_schema())}


def _meaning(schema: Any) -> Any:
    """A form's schema without its docstrings, which may be reworded, and without floats, which have no canonical form."""
    if isinstance(schema, float):
        return str(schema)
    if isinstance(schema, dict):
        told = {key for key, item in schema.items() if key == "description" and isinstance(item, str)}
        return {key: _meaning(item) for key, item in schema.items() if key not in told}
    return [_meaning(item) for item in schema] if isinstance(schema, list) else schema


def diagram(workflow: Workflow, locale: Literal["zh", "en"] = "zh") -> str:
    """The loop as Mermaid text, states and steps by their titles."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.title.in_(locale)}" as {state.name}' for state in workflow.states]
    lines.append(f"    [*] --> {workflow.initial.name}")
    for transition in workflow.transitions:
        for source in transition.sources:
            target = transition.target or source
            lines.append(f"    {source} --> {target}: {transition.title.in_(locale)}")
    lines += [f"    {state.name} --> [*]" for state in workflow.states if state.final]
    return "\n".join(lines)
