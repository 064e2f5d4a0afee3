"""How the loop is set: levels, time limits, states, who signs, protective measures, reminders (scheme.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from engine.errors import Text
from workflows.reference.categories import Taxonomy
from workflows.reference.organisation import Organisation
from workflows.reference.reading import Entry, ReferenceFile, Titled, read_file

FILE = "scheme.yaml"
SECTIONS = {
    "levels", "time_limit_modes", "five_items", "risk_colours", "states", "counters", "links",
    "sign_off", "interim", "reminder_ladder",
}  # fmt: skip


class Level(StrEnum):
    GENERAL = "general"
    MAJOR = "major"


class LevelRule(Titled):
    """`rule` is the definition in short."""

    rule: str


class Limit(Titled):
    """How long the work may take.

    workdays, days   at most one is set: working days, or calendar days (0 = the same day); neither: the date comes
                     from the calendar of terms (`break`) or from the plan (`plan`)
    needs_interim    a protective measure, or the reason why none is needed, has to be given
    needs_approval   the role that grants it
    needs_five       the step waits for all of `five_items`
    policy           a school may change the number
    """

    workdays: int | None = Field(default=None, alias="default_workdays", ge=1)
    days: int | None = Field(default=None, alias="default_days", ge=0)
    needs_interim: bool = False
    needs_approval: str | None = None
    needs_five: bool = False
    policy: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _counted_in_one_unit(self) -> Self:
        if self.workdays is not None and self.days is not None:
            raise ValueError("default_workdays and default_days are both set; keep one")
        return self


class FiveItem(Titled):
    """One of 五落实; `field` is the name of the form field that holds it."""

    field: str


class RiskColour(Titled):
    """`matrix_5x5_min` is the lowest product of likelihood and severity, 1 to 25."""

    roman: str
    controlled_by: str
    matrix_5x5_min: int


class StateWords(Titled):
    """What a state of the hazard loop is called; `side` states leave the main line, `terminal` ones end it."""

    side: bool = False
    terminal: bool = False
    note: str | None = None


class Noted(Titled):
    note: str | None = None


class SignOffPolicy(Entry):
    """What a school may allow although it is not the default."""

    verifier_may_approve: bool = False


class SignOffStep(Entry):
    """Who may sign one step.

    by             roles and relations, any of which will do
    count          persons who have to sign
    never          relations that bar a person, whatever roles they hold
    not_all_from   not all who sign may belong to this department
    """

    by: tuple[str, ...]
    count: int = Field(ge=1)
    never: tuple[str, ...]
    not_all_from: str | None = None
    same_as_verifier: Literal["allowed"] | None = None
    policy: SignOffPolicy = SignOffPolicy()
    then: Literal["report_to_bureau"] | None = None


class SignOff(Entry):
    """The two signatures that close a case of this mode."""

    mode: str
    verify: SignOffStep
    approve: SignOffStep


class Rung(Entry):
    """One rung of the reminder ladder, as the file has it.

    at             working days after the deadline, negative before it; or
    after, every   the repeating rung: every so many working days after the last one
    """

    at: int | None = None
    after: int | None = None
    every: int | None = Field(default=None, ge=1)
    to: tuple[str, ...]
    how: Literal["digest", "direct"]
    effect: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _at_or_after(self) -> Self:
        if (self.at is None) == (self.after is None) or (self.after is None) != (self.every is None):
            raise ValueError("give either 'at', or 'after' together with 'every'")
        return self


class _Interim(Entry):
    required_for: tuple[str, ...]
    suggestions: dict[str, Any]


@dataclass(frozen=True)
class Scheme:
    levels: Mapping[str, LevelRule]
    limits: Mapping[str, Limit]
    five_items: Mapping[str, FiveItem]
    risk_colours: Mapping[str, RiskColour]
    states: Mapping[str, StateWords]
    counters: Mapping[str, Noted]
    links: Mapping[str, Noted]
    sign_off: Mapping[str, SignOff]
    suggestions: Mapping[str, Text]  # category code → protective measure
    ladder: tuple[Rung, ...]


def read_scheme(folder: Traversable, taxonomy: Taxonomy, organisation: Organisation) -> Scheme:
    file = read_file(folder, FILE, SECTIONS)
    levels = file.coded("levels", LevelRule)
    if set(levels) != set(Level):
        file.refuse("levels", "", f"they are {', '.join(levels)}", f"The loop knows exactly {', '.join(Level)}")
    required, suggestions = _interim(file, taxonomy)
    return Scheme(
        levels=levels,
        limits=_limits(file, organisation, required),
        five_items=file.coded("five_items", FiveItem),
        risk_colours=file.coded("risk_colours", RiskColour),
        states=file.coded("states", StateWords),
        counters=file.coded("counters", Noted),
        links=file.coded("links", Noted),
        sign_off=_sign_off(file, organisation),
        suggestions=suggestions,
        ladder=_ladder(file, organisation),
    )


def _interim(file: ReferenceFile, taxonomy: Taxonomy) -> tuple[tuple[str, ...], Mapping[str, Text]]:
    interim = file.entry("interim", "", _Interim, file.sections["interim"])
    suggestions: dict[str, Text] = {}
    for code, words in interim.suggestions.items():
        file.must_be_known("interim.suggestions", code, [code], taxonomy.all, "category")
        try:
            suggestions[code] = TypeAdapter(Text).validate_python(words)
        except ValidationError:
            file.refuse("interim.suggestions", code, "it lacks words in both languages", "Give it zh and en")
    for code in taxonomy.categories:
        if code not in suggestions:
            file.refuse("interim.suggestions", code, "there is none", "Write one; the form offers it")
    return interim.required_for, MappingProxyType(suggestions)


def _limits(file: ReferenceFile, organisation: Organisation, needing_interim: tuple[str, ...]) -> Mapping[str, Limit]:
    limits = file.coded("time_limit_modes", Limit)
    file.must_be_known("interim", "required_for", needing_interim, limits, "time limit")
    for limit in limits.values():
        if limit.needs_interim:
            file.refuse("time_limit_modes", limit.code, "needs_interim is set here", "Name it in interim.required_for")
        if limit.needs_approval is not None:
            file.must_be_known("time_limit_modes", limit.code, [limit.needs_approval], organisation.roles, "role")
    return MappingProxyType(
        {code: limit.model_copy(update={"needs_interim": code in needing_interim}) for code, limit in limits.items()}
    )


def _sign_off(file: ReferenceFile, organisation: Organisation) -> Mapping[str, SignOff]:
    named = ((str(raw.get("mode")) if isinstance(raw, dict) else str(raw), raw) for raw in file.rows("sign_off"))
    table = file.indexed("sign_off", SignOff, named)
    for mode, row in table.items():
        for step, rule in (("verify", row.verify), ("approve", row.approve)):
            entry = f"{mode}.{step}"
            file.must_be_known("sign_off", entry, rule.by, organisation.parties(), "role or relation")
            file.must_be_known("sign_off", entry, rule.never, organisation.relations, "relation")
            if rule.not_all_from is not None:
                file.must_be_known("sign_off", entry, [rule.not_all_from], organisation.relations, "relation")
    return table


def _ladder(file: ReferenceFile, organisation: Organisation) -> tuple[Rung, ...]:
    rungs = []
    for number, raw in enumerate(file.rows("reminder_ladder"), start=1):
        name = f"rung {number}"
        rung = file.entry("reminder_ladder", name, Rung, raw)
        file.must_be_known("reminder_ladder", name, rung.to, organisation.parties(), "role or relation")
        rungs.append(rung)
    if not rungs or rungs[-1].every is None:
        file.refuse("reminder_ladder", "", "its last rung does not repeat", "An overdue case must not fall silent")
    return tuple(rungs)
