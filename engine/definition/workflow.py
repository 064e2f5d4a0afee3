"""A workflow whole, checked when it is made; and the catalog of those a program carries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from engine.actor import ANOTHER_DEPARTMENT
from engine.case import Case
from engine.definition.checking import check
from engine.definition.forms import Form, Nothing, choices_of
from engine.definition.meaning import WORDS_ALONE, fingerprint_of
from engine.definition.parts import (
    MAX_OFFSET_WORKDAYS,
    RELATIONS,
    CycleRule,
    EffectFunction,
    Policy,
    Rebound,
    SignOff,
    State,
    Transition,
    adjusted,
    form_of,
)
from engine.errors import Text, WorkflowError
from engine.guards import Guard


def _nothing_goes_direct(_: Case) -> bool:
    return False


def _nothing_is_held_back(_: Case) -> bool:
    return False


@cache
def _defaults_of(policy: type[Policy]) -> Mapping[str, Any]:
    """Written once: every command asks."""
    return policy().model_dump(mode="json")


@dataclass(frozen=True, eq=False)  # one value a definition: hashed by identity, so that its machine can be cached
class Workflow:
    """A loop, whole. `plural` is its name in addresses, `prefix` in numbers; a published version never changes.

    opens_by       who may open a case
    opening        what opening does besides storing the form (pure)
    roles          the roles this definition may name, with their titles
    always_direct  cases whose every reminder goes out at once instead of in the day's digest
    holds_back     cases whose pictures and papers are for nobody but whom they wait for
    routine        its cases are reports that come again and again: told among what was owed, and no part of the figures that are
                   told of everything; that alone, it moves no published version
    own_words      relations that this loop calls by words of its own: words alone, they move no published version
    holds          whether other cases may be opened in its open ones, and then carry their mark
    witnessed      whether what its cases tell happened before the eyes of this program; figures of how work went count no other
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
    holds_back: Callable[[Case], bool] = _nothing_is_held_back
    routine: bool = field(default=False, metadata=WORDS_ALONE)
    own_words: Mapping[str, Text] = field(default_factory=dict, metadata=WORDS_ALONE)
    witnessed: bool = True
    holds: bool = False

    def __post_init__(self) -> None:
        check(self)

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

    def acknowledgement(self, state: str) -> Transition | None:
        """The step by which somebody says in this state that he has got it."""
        return next((t for t in self.transitions if (t.acknowledges or t.confirms) and state in t.sources), None)

    def confirmation(self, state: str) -> Transition | None:
        """The step by which each of many says in this state that he knows of it."""
        return next((t for t in self.transitions if t.confirms and state in t.sources), None)

    @cached_property
    def addresses_many(self) -> bool:
        """Whether its cases may wait for many by name."""
        return any(t.addresses for t in self.transitions)

    def waits_by_name(self, case: Case) -> tuple[str, ...]:
        """Everybody of whom it is waited for that he confirms."""
        unconfirmed = () if case.final else case.unconfirmed
        return unconfirmed if unconfirmed and self.confirmation(case.state) else ()

    def form_of(self, trigger: str) -> type[Form]:
        return form_of(self.triggers[trigger][0])

    def called(self, name: str) -> Text:
        """A role or relation in words."""
        if name.endswith(ANOTHER_DEPARTMENT):
            role = self.roles[name.removesuffix(ANOTHER_DEPARTMENT)]
            return Text(f"其他部门的{role.zh}", f"{role.en} (of another department)")
        return self.own_words.get(name) or RELATIONS.get(name) or self.roles[name]

    def defaults(self) -> dict[str, Any]:
        return dict(_defaults_of(self.policy))

    def checked_policy(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The organisation's own numbers, checked; only what it set. Raises ValueError with every fault in one sentence."""
        checked = self.policy.model_validate(dict(overrides)).model_dump(mode="json", exclude_unset=True)
        for name in (offsets := checked.get("rung_offsets", {})):
            if not any(name == rung.name for state in self.states if state.ladder for rung in state.ladder.rungs):
                raise ValueError(f"no ladder of {self.key!r} has a rung {name!r}")
        _must_be_within(offsets)
        for state in self.states:
            if state.ladder:
                adjusted(state.ladder, offsets)
        return checked

    @cached_property
    def fingerprint(self) -> str:
        """Pinned by the tests for published versions."""
        return fingerprint_of(self)


def _must_be_within(offsets: Mapping[str, int]) -> None:
    """Raises ValidationError, at each rung that would come too far from its deadline, as of any other number out of its bounds.

    A bound that stood in the policy's own form would change the fingerprint of every published version.
    """
    far: list[InitErrorDetails] = [
        {"type": "less_than_equal", "loc": ("rung_offsets", name), "input": days, "ctx": {"le": MAX_OFFSET_WORKDAYS}}
        if days > 0 else
        {"type": "greater_than_equal", "loc": ("rung_offsets", name), "input": days, "ctx": {"ge": -MAX_OFFSET_WORKDAYS}}
        for name, days in offsets.items() if abs(days) > MAX_OFFSET_WORKDAYS
    ]  # fmt: skip
    if far:
        raise ValidationError.from_exception_data("policy", far)


# --- what stands in for a definition that is not there ---------------------------------------------------------------

STAND_INS = 256  # definitions that cases name and this program lacks: as many as a node lags behind, which is few


def _all_of_it(_: Case) -> bool:
    return True


class UnknownWorkflow(Workflow):
    """Of a newer version that another node runs already, or of a module that was removed: such cases are listed and read. A loop
    without steps, in which every state is one; what nobody knows nobody guesses. Nobody is awaited, and what was sent along is shown to nobody: who may
    look at it is not known either.
    """

    def __post_init__(self) -> None:
        """There is nothing to check: it is no definition, and nothing is opened with it."""

    def state(self, name: str) -> State:
        return State(name, Text(f"未知阶段（{name}）", f"unknown state ({name})"), counts_as="reported")


@lru_cache(maxsize=STAND_INS)
def standing_in(key: str, version: int) -> UnknownWorkflow:
    return UnknownWorkflow(
        key=key, plural=key, version=version, prefix="", title=Text(f"未知流程（{key} 第 {version} 版）", f"unknown loop ({key} v{version})"),
        opens_with=Nothing, opens_by=(), roles={}, transitions=(), holds_back=_all_of_it,
        states=(State("unknown", Text("未知阶段", "unknown state"), counts_as="reported"),),
    )  # fmt: skip


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
        self._newest: dict[str, Workflow] = {}
        for (key, version), workflow in self._by_version.items():
            if key not in self._newest or self._newest[key].version < version:
                self._newest[key] = workflow
        for name in ("plural", "prefix"):
            taken: dict[str, str] = {}
            for workflow in self.newest():
                value = str(getattr(workflow, name))
                if value in taken:
                    raise WorkflowError(workflow.key, f"{name} {value!r} is taken by workflow {taken[value]!r}")
                taken[value] = workflow.key

    def newest(self) -> list[Workflow]:
        """The version new cases are opened with, of each workflow."""
        return list(self._newest.values())

    def every(self) -> list[Workflow]:
        """Every version of each: open cases may be pinned to an older one, and closed ones are."""
        return list(self._by_version.values())

    def get(self, key: str, version: int | None = None) -> Workflow | None:
        if version is not None:
            return self._by_version.get((key, version))
        return self._newest.get(key)

    @cached_property
    def counted(self) -> frozenset[tuple[str, str]]:
        """(prefix, trigger) of every step of any version that takes figures."""
        return frozenset((w.prefix, t.trigger) for w in self.every() for t in w.transitions if t.figures)

    @cached_property
    def figures(self) -> frozenset[str]:
        """The names of the figures that steps of any version take."""
        return frozenset(t.figures for w in self.every() for t in w.transitions if t.figures)

    @cached_property
    def routine(self) -> tuple[str, ...]:
        """The keys of loops whose cases are reports that come again and again."""
        return tuple(w.key for w in self.newest() if w.routine)

    @cached_property
    def asked_at_opening(self) -> Mapping[str, frozenset[str] | None]:
        """What is answered by one of some words (these), or by a day (None), when a case is opened, and by no later step: so the
        case keeps the answer for good.
        """
        found: dict[str, frozenset[str] | None] = {}
        again: set[str] = set()
        for workflow in self.every():
            asked = choices_of(workflow.opens_with)
            again.update(*(asked.keys() & workflow.form_of(trigger).model_fields for trigger in workflow.triggers))
            for name, words in asked.items():
                found[name] = None if words is None else words | (found.get(name) or frozenset())
        return {name: words for name, words in found.items() if name not in again}

    def of(self, case: Case) -> Workflow:
        """The definition a case is pinned to; what stands in for it where this program does not carry it."""
        known = self._by_version.get((case.workflow, case.version))
        return known if known is not None else standing_in(case.workflow, case.version)

    def cycles(self) -> list[tuple[Workflow, CycleRule]]:
        return [(workflow, rule) for workflow in self.newest() for rule in workflow.cycles]
