"""A workflow as data: its states, steps, forms, sign-off, clocks and numbers. Refuses to be built wrong.

    Workflow             workflow.py   the whole, checked when it is made, so while its module is imported
    ├── Form             forms.py      what a step asks for
    ├── State            parts.py      where a case can stand, whom it waits for, how long, who is told when it takes longer
    ├── Transition       parts.py      one step: from where to where, by whom, with which form, under which conditions
    ├── SignOff          parts.py      who confirms a step, how many, and who never, by the mode of the case
    ├── CycleRule        parts.py      what the workflow opens by itself, and for whom
    └── Policy           parts.py      the numbers an organisation may change
    its checks           checking.py   what makes a definition be refused
    its fingerprint      meaning.py    how a published version is seen to be what it was
    its diagram          drawing.py

A workflow that exists can be run.
"""

from engine.definition.drawing import diagram
from engine.definition.forms import (
    COLUMNS,
    AddresseeRef,
    AudienceRef,
    CaseRef,
    Day,
    DepartmentRef,
    DocumentRef,
    FileRef,
    Form,
    Line,
    Nothing,
    PersonRef,
    Reference,
    Words,
    asks,
    is_typed,
    references,
    said,
)
from engine.definition.parts import (
    RECEIPT,
    RELATIONS,
    VIA,
    Acknowledge,
    CycleRule,
    Due,
    Effect,
    EffectFunction,
    Escalation,
    FromFact,
    FromPeriod,
    OutcomesFunction,
    Policy,
    Rebound,
    Series,
    Signing,
    SignOff,
    State,
    Transition,
    Within,
    adjusted,
    form_of,
    guards_of,
)
from engine.definition.unknown import WHAT_TO_DO, is_known, must_be_known, why_unknown
from engine.definition.workflow import Catalog, Workflow

__all__ = [
    "COLUMNS",
    "RECEIPT",
    "RELATIONS",
    "VIA",
    "WHAT_TO_DO",
    "Acknowledge",
    "AddresseeRef",
    "AudienceRef",
    "CaseRef",
    "Catalog",
    "CycleRule",
    "Day",
    "DepartmentRef",
    "DocumentRef",
    "Due",
    "Effect",
    "EffectFunction",
    "Escalation",
    "FileRef",
    "Form",
    "FromFact",
    "FromPeriod",
    "Line",
    "Nothing",
    "OutcomesFunction",
    "PersonRef",
    "Policy",
    "Rebound",
    "Reference",
    "Series",
    "SignOff",
    "Signing",
    "State",
    "Transition",
    "Within",
    "Words",
    "Workflow",
    "adjusted",
    "asks",
    "diagram",
    "form_of",
    "guards_of",
    "is_known",
    "is_typed",
    "must_be_known",
    "references",
    "said",
    "why_unknown",
]
