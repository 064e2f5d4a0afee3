"""What a loop is made of: states, steps, signatures, allowances, numbers. Values only; `checking` sees how they fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, StringConstraints

from engine.case import Case, CountsAs, Link
from engine.commands import OpenCase
from engine.cycles import Cycle
from engine.deadlines import Budget, Ladder
from engine.definition.forms import Form, Nothing
from engine.definition.meaning import WORDS_ALONE
from engine.errors import Text
from engine.events import How
from engine.guards import Guard, Situation, guard_named

VIA = "via"  # beside a form's answers: the channel of the message in which the step was taken
RECEIPT = "receipt"  # the rungs of a receipt are called `receipt`, `receipt-1`, …

#: relations a person can have to a case; everything else a definition names is a role
RELATIONS: Mapping[str, Text] = {
    "anyone": Text("本单位任何已登录人员", "anyone signed in here"),
    "stranger": Text("扫描部位标签的访客", "a visitor who scans the label of a place"),
    "reporter": Text("上报人", "the reporter"),
    "submitter": Text("填报人", "whoever handed it in"),
    "asker": Text("申请人", "whoever asked for it"),
    "inspector": Text("检查人", "the inspector"),
    "assignee": Text("整改责任人", "the assignee"),
    "fixer": Text("整改人", "whoever fixed it"),
    "verifier": Text("复查人", "whoever verified it"),
    "addressee": Text("知晓人", "whoever has to know of it"),
    "unconfirmed": Text("尚未确认知晓的人", "those who have not confirmed that they know"),
    "unconfirmed_heads": Text("未确认人员的部门负责人", "the heads of those who have not confirmed"),
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
    """Receipt has to be acknowledged within a time, else it climbs: at the limit to the first, a working day later on.

    Where a case addresses many, it is acknowledged when everybody has confirmed or was excused.

    heads   the roles that look after those who have not: of a person's department, the first that somebody else holds.
            `unconfirmed_heads` are these, and each hears of his own people
    """

    within: Within
    climbs_to: tuple[tuple[str, ...], ...]
    heads: tuple[str, ...] = ()


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
#: (the case as the step leaves it, whom the form names by field) → what facts can make of it
OutcomesFunction = Callable[[Case, Mapping[str, Any]], tuple[Case, ...]]


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
    takes_over     whoever takes the step is the assignee from then on
    acknowledges   says "I have got it" and no more: stops the clock of the receipt, and may be taken straight from a message
    addresses      the field of its form that says who has to know (`AudienceRef`): whom the directory of the day means by it
                   becomes `addressee`, besides those who are already
    confirms       an addressee says that he knows, for himself and once; taken straight from a message, too
    excuses        the field of its form that names addressees who are waited for no longer
    tells          who else hears of it
    outcomes       what its effect can mean for who signs, told to `engine.proof`: one case for each way facts may go
    figures        figures that are counted for it before it is decided, by the name under which the process has them. Guards and
                   effect find them in their situation; a form cannot say them
    draws          the field of its form that gets a seed: random bytes in hexadecimal, drawn by `handle` when the step is taken and
                   on record with its answers. Nobody can choose it, since whoever gives one is refused
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
    takes_over: bool = False
    acknowledges: bool = False
    numbers: Series | None = None
    quiet: bool = False
    settles: Literal["reported", "waived"] | None = None
    addresses: str | None = None
    confirms: bool = False
    excuses: str | None = None
    tells: tuple[str, ...] = ()
    escalates: Escalation | None = None
    reason: str = "waiting"
    outcomes: OutcomesFunction | None = None
    figures: str | None = None
    draws: str | None = None

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
    """The sign-off table: (mode, step) → Signing. `mode_of` reads the mode from the case.

    titles   the modes in words
    reads    the counters that `mode_of` looks at; `engine.proof` need not tell the others apart
    """

    rows: Mapping[tuple[str, str], Signing]
    mode_of: Callable[[Case], str]
    titles: Mapping[str, Text] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    @property
    def modes(self) -> frozenset[str]:
        return frozenset(mode for mode, _ in self.rows)


@dataclass(frozen=True, slots=True)
class Rebound:
    """A new case that agrees with one closed at most `within_days` ago in these attributes is bound to it."""

    same: tuple[str, ...]
    within_days: str


def _says_nothing_of_zero(_: Case) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class CycleRule:
    """A cycle and what its periods open: `data` gives the opening form's answers from the scope and the civil key.

    says_zero   whether what was handed in says that there was nothing, which is not the same as saying nothing. Lists tell it;
                no step goes by it, so a published version may learn it
    """

    cycle: Cycle
    title_of: Callable[[str, str], Text]
    data: Callable[[str, str], Mapping[str, Any]]
    says_zero: Callable[[Case], bool] = field(default=_says_nothing_of_zero, metadata=WORDS_ALONE)


MAX_OFFSET_WORKDAYS = 365  # either way: as much as a loop's own numbers of working days may be


class Policy(BaseModel):
    """The numbers an organisation may change. Defaults hold until it does; bounds are checked when it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    remind_at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "07:40"
    rung_offsets: dict[str, int] = {}  # rung name → working days from the deadline, where they differ from the ladder's


def adjusted(ladder: Ladder, offsets: Mapping[str, int]) -> Ladder:
    """The ladder with an organisation's own offsets; those of other ladders' rungs do not concern it."""
    here = {rung.name: offsets[rung.name] for rung in ladder.rungs if rung.name in offsets}
    return ladder.with_offsets(here) if here else ladder


def form_of(transition: Transition) -> type[Form]:
    return Form.registered[transition.form] if isinstance(transition.form, str) else transition.form


def guards_of(items: tuple[Guard | str, ...]) -> list[Guard]:
    return [guard for item in items if (guard := guard_named(item) if isinstance(item, str) else item)]
