"""What departments owe a campaign or a survey by a day, and what came of it: in time, late, sent back, not yet, never, or not
asked any more.

Six different things wherever they are told; *missing* is never zero, since whoever has nothing to report says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from engine.case import Case

Came = Literal["reported", "late", "returned", "waiting", "missing", "waived"]
#: reported   handed in before the end of its day
#: late       handed in after it, and late for good, whatever is corrected since
#: returned   handed in, sent back, and not handed in again: what came does not stand
#: waiting    not handed in, and there is time
#: missing    not handed in, and there is no time left
#: waived     asked for no longer, for a reason that is on record
CAME: tuple[Came, ...] = get_args(Came)

#: loop → the step by which a department hands in what it owes
HANDED_IN_BY: Mapping[str, str] = {"task": "fix", "survey_answer": "answer"}
WAIVED = frozenset({"dropped", "excused"})


def came_of(case: Case, handed_in: datetime | None, now: datetime) -> Came:
    """handed_in   when it was for the first time; None while it was not"""
    if case.state in WAIVED:
        return "waived"
    due_at = case.first_due_at
    if handed_in is None:
        return "missing" if due_at is not None and now > due_at else "waiting"
    if case.counts_as == "assigned":
        return "returned"
    return "late" if due_at is not None and handed_in > due_at else "reported"


@dataclass(frozen=True, slots=True)
class OfDepartment:
    """How a department stands: of what it owes how many came to what, and how many cases of its own were opened inside."""

    department: str
    came: Mapping[Came, int]
    opened: int

    @property
    def silent(self) -> bool:
        """It owed something by a day that has passed, and nothing came from it at all."""
        return bool(self.came["missing"]) and not any(self.came[name] for name in ("reported", "late", "returned"))


def by_department(
    scope: Iterable[str],
    owed: Iterable[Case],
    handed_in: Mapping[str, datetime],
    opened: Mapping[str | None, int],
    now: datetime,
) -> list[OfDepartment]:
    """One line for each department of the scope, in its order, also for one of which there is nothing to tell; then others that
    owe something.

    handed_in   by the number of the case
    opened      department → how many other cases were opened inside
    """
    counted: dict[str, dict[Came, int]] = {code: dict.fromkeys(CAME, 0) for code in scope}
    for case in owed:
        if case.department is not None:
            line = counted.setdefault(case.department, dict.fromkeys(CAME, 0))
            line[came_of(case, handed_in.get(case.number), now)] += 1
    return [OfDepartment(code, came, opened.get(code, 0)) for code, came in counted.items()]
