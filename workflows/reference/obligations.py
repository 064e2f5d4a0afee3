"""What is owed again and again: cycles, events that open a check, clocks of reporting, retention (cycles.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Literal, Self

from pydantic import Field, model_validator

from workflows.reference.organisation import Organisation
from workflows.reference.reading import Titled, read_file

FILE = "cycles.yaml"

Kind = Literal["law", "standard", "guide", "practice", "policy"]
_EVERY = r"^[1-9]\d* (day|night|school_day|shift|week|month|term|year)s?$"


class Obligation(Titled):
    """A recurring or event-triggered obligation, as the file has it.

    every         '3 months'; count and unit are taken apart by `every_count` and `every_unit`
    trigger       instead of every: what makes it due
    times         how often within the period; policy_times: the same, but the school's own number
    who           code of a department, role or group
    due           time of day, 'HH:MM'
    zero_report   "nothing to report" has to be reported
    """

    every: str | None = Field(default=None, pattern=_EVERY)
    trigger: str | None = None
    who: str
    kind: Kind
    basis: str | None = None
    times: int = Field(default=1, ge=1)
    policy_times: int | None = Field(default=None, ge=1)
    sign: tuple[str, ...] = ()
    due: str | None = Field(default=None, pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    due_offset: str | None = None
    when: str | None = None
    season: str | None = None
    zero_report: bool = False
    handover: Literal["both_sign"] | None = None
    target: str | None = None

    @model_validator(mode="after")
    def _every_or_trigger(self) -> Self:
        if (self.every is None) == (self.trigger is None):
            raise ValueError("give either 'every' or 'trigger'")
        return self

    @property
    def every_count(self) -> int | None:
        return int(self.every.partition(" ")[0]) if self.every else None

    @property
    def every_unit(self) -> str | None:
        """day, night, school_day, shift, week, month, term or year."""
        return self.every.partition(" ")[2].removesuffix("s") if self.every else None


class TriggeringEvent(Titled):
    """Something that happens and opens a check; at most one way to say when it is due."""

    opens: str
    due: str | None = None
    due_days: int | None = None
    due_workdays: int | None = None


class ReportClock(Titled):
    within: str
    kind: Kind
    basis: str | None = None


class Retention(Titled):
    """How long at least; with `delete_after` also at most."""

    years: int | None = None
    months: int | None = None
    days: int | None = None
    delete_after: bool = False
    kind: Kind
    basis: str

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if sum(unit is not None for unit in (self.years, self.months, self.days)) != 1:
            raise ValueError("give exactly one of years, months, days")
        return self


@dataclass(frozen=True)
class Obligations:
    cycles: Mapping[str, Obligation]
    events: Mapping[str, TriggeringEvent]
    report_clocks: Mapping[str, ReportClock]
    retention: Mapping[str, Retention]


def read_obligations(folder: Traversable, organisation: Organisation) -> Obligations:
    file = read_file(folder, FILE, {"cycles", "events", "report_clocks", "retention"})
    cycles = file.coded("cycles", Obligation)
    whos = (*organisation.departments, *organisation.roles, *organisation.groups)
    for code, cycle in cycles.items():
        file.must_be_known("cycles", code, [cycle.who], whos, "department, role or group")
        file.must_be_known("cycles", code, cycle.sign, organisation.parties(), "role or relation")
    return Obligations(
        cycles,
        file.coded("events", TriggeringEvent),
        file.coded("report_clocks", ReportClock),
        file.coded("retention", Retention),
    )
