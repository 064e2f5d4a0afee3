"""The reference data that workflows are made of, checked and typed.

    taxonomy.yaml     categories.py      taxonomy()
    org.yaml          organisation.py    departments() roles() relations() groups() department_for()
    scheme.yaml       scheme.py          levels() limits() five_items() risk_colours() state_words()
                                         sign_off() reminder_ladder() interim_suggestion()
    criteria.yaml     grading.py         criteria() criteria_for() decide_level() on_spot_kinds()
    checklists.yaml   sheets.py          checklists() checklist_for()
    hazards.yaml      examples.py        samples()
    forms.yaml        printed.py         forms() form_columns()
    cycles.yaml       obligations.py     cycles() check_events() report_clocks() retention()
    posts.yaml        posts.py           posts()

and, of several of them together: suggesting.py, suggest().

Everything with a code is a read-only mapping from that code to a frozen value, in file order. Nothing is read before
the first call; then all files are read and checked against each other, and a mismatch is a ReferenceBroken.
A code that does not exist is a NotInReference, which is a ValueError.
"""

from collections.abc import Mapping
from types import MappingProxyType

from engine.errors import Text
from workflows.reference.categories import Category, Taxonomy
from workflows.reference.examples import Sample
from workflows.reference.grading import (
    CriteriaUnanswered,
    CriteriaUnknown,
    Criterion,
    LevelUndecided,
    OnSpotKind,
)
from workflows.reference.library import Reference, read_reference, reference
from workflows.reference.obligations import Obligation, ReportClock, Retention, TriggeringEvent
from workflows.reference.organisation import Department, Group, Relation, Role
from workflows.reference.posts import Post, Posts
from workflows.reference.printed import PrintedForm
from workflows.reference.reading import NotInReference, ReferenceBroken, look_up
from workflows.reference.scheme import (
    FiveItem,
    Level,
    LevelRule,
    Limit,
    RiskColour,
    Rung,
    SignOff,
    SignOffStep,
    StateWords,
)
from workflows.reference.sheets import Checklist, ChecklistItem
from workflows.reference.suggesting import Suggestion, suggest

__all__ = [
    "Category",
    "Checklist",
    "ChecklistItem",
    "CriteriaUnanswered",
    "CriteriaUnknown",
    "Criterion",
    "Department",
    "FiveItem",
    "Group",
    "Level",
    "LevelRule",
    "LevelUndecided",
    "Limit",
    "NotInReference",
    "Obligation",
    "OnSpotKind",
    "Post",
    "Posts",
    "PrintedForm",
    "Reference",
    "ReferenceBroken",
    "Relation",
    "ReportClock",
    "Retention",
    "RiskColour",
    "Role",
    "Rung",
    "Sample",
    "SignOff",
    "SignOffStep",
    "StateWords",
    "Suggestion",
    "Taxonomy",
    "TriggeringEvent",
    "check_events",
    "checklist_for",
    "checklists",
    "criteria",
    "criteria_for",
    "cycles",
    "decide_level",
    "department_called",
    "department_for",
    "departments",
    "five_items",
    "form_columns",
    "forms",
    "groups",
    "interim_suggestion",
    "levels",
    "limits",
    "on_spot_kinds",
    "posts",
    "read_reference",
    "reference",
    "relations",
    "reminder_ladder",
    "report_clocks",
    "retention",
    "risk_colours",
    "roles",
    "samples",
    "sign_off",
    "state_words",
    "suggest",
    "taxonomy",
]


def taxonomy() -> Taxonomy:
    return reference().taxonomy


def departments() -> Mapping[str, Department]:
    return reference().organisation.departments


def department_called(code: str) -> Text:
    """The department in words; one that the reference does not know is called by its code."""
    known = departments().get(code)
    return known.title if known is not None else Text(code, code)


def roles() -> Mapping[str, Role]:
    return reference().organisation.roles


def relations() -> Mapping[str, Relation]:
    return reference().organisation.relations


def groups() -> Mapping[str, Group]:
    return reference().organisation.groups


def department_for(category: str) -> Department:
    """Who fixes a hazard of this category unless triage names another; the most specific ownership wins."""
    return reference().organisation.department_for(category, taxonomy())


def levels() -> Mapping[str, LevelRule]:
    return reference().scheme.levels


def limits() -> Mapping[str, Limit]:
    """The time-limit modes."""
    return reference().scheme.limits


def five_items() -> Mapping[str, FiveItem]:
    """责任 措施 资金 时限 预案, all of which a major hazard's plan needs."""
    return reference().scheme.five_items


def risk_colours() -> Mapping[str, RiskColour]:
    return reference().scheme.risk_colours


def state_words() -> Mapping[str, StateWords]:
    """What the states of the hazard loop are called."""
    return reference().scheme.states


def sign_off() -> Mapping[str, SignOff]:
    """Who signs, by mode of the case: on_spot, general, general_extended, major."""
    return reference().scheme.sign_off


def reminder_ladder() -> tuple[Rung, ...]:
    return reference().scheme.ladder


def interim_suggestion(category: str) -> Text:
    """A protective measure to offer for a hazard of this category."""
    suggestions = reference().scheme.suggestions
    return next(suggestions[code] for code in taxonomy().lineage(category) if code in suggestions)


def criteria() -> Mapping[str, Criterion]:
    return reference().criteria.criteria


def criteria_for(category: str) -> tuple[Criterion, ...]:
    """The questions to be answered for a hazard of this category: its own first, the general ones last."""
    return reference().criteria.criteria_for(category)


def decide_level(category: str, answers: Mapping[str, bool]) -> Level:
    """Major if one answer is yes, general if all are no.

    answers   criterion code → True or False, for exactly the criteria_for(category)
    Raises    CriteriaUnanswered (blank is not no) or CriteriaUnknown, both LevelUndecided and ValueError
    """
    return reference().criteria.decide_level(category, answers)


def on_spot_kinds(category: str | None = None) -> Mapping[str, OnSpotKind]:
    """The eight kinds that are corrected on the spot and still recorded; with a category, those that fit it."""
    if category is None:
        return reference().criteria.on_spot_kinds
    return MappingProxyType({kind.code: kind for kind in reference().criteria.on_spot_kinds_for(category)})


def checklists() -> Mapping[str, Checklist]:
    return reference().checklists.by_code


def checklist_for(department: str) -> tuple[Checklist, ...]:
    """The department's own lists, or the 'office' list if it has none, as one has that a school made for itself."""
    return reference().checklists.for_department(department)


def samples() -> Mapping[str, Sample]:
    return reference().samples


def forms() -> Mapping[str, PrintedForm]:
    return reference().forms


def form_columns(form: str) -> tuple[str, ...]:
    """The headings of a form in the order of the sheet."""
    return look_up(forms(), form, "form").columns


def cycles() -> Mapping[str, Obligation]:
    return reference().obligations.cycles


def check_events() -> Mapping[str, TriggeringEvent]:
    """What opens a check when it happens."""
    return reference().obligations.events


def report_clocks() -> Mapping[str, ReportClock]:
    return reference().obligations.report_clocks


def retention() -> Mapping[str, Retention]:
    """How long records are kept; where a rule gives a minimum, it is that."""
    return reference().obligations.retention


def posts() -> Posts:
    """What a list of staff calls posts, and which roles they bring."""
    return reference().posts
