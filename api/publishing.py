"""The hazards that a bulletin publishes 公示, for readers who otherwise see none: a table without names, as known when its days
were over.

No copy is kept. The bulletin's own questions are asked again as of the same instant, so the table stays what it was, and what
is erased of a hazard is gone from it, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel

from api.figures import which
from engine.case import Case
from engine.definition import Catalog
from engine.errors import Locale, Text
from engine.store.database import Connection
from workflows import bulletin
from workflows.reference import levels, taxonomy

MOST = 200  # hazards of one bulletin; a longer table nobody reads
NOT_GRADED = Text("未定级", "not graded")


@dataclass(frozen=True, slots=True)
class Published:
    """left_out   how many there are besides those shown, of more than `MOST`"""

    as_of: datetime
    cases: Sequence[Case]
    left_out: int


class PublishedHazard(BaseModel):
    """All that is published of a hazard: who found it, who has to fix it and what was written about it is not among it."""

    number: str
    place: str
    category: str
    level: str
    department: str
    state: str
    due_on: date | None
    overdue: bool


class PublishedAnswer(BaseModel):
    """`left_out`: how many more there are than one table may have."""

    as_of: AwareDatetime
    items: list[PublishedHazard]
    left_out: int


def publishes(case: Case) -> bool:
    """Whether it is a bulletin that was compiled."""
    return case.workflow == bulletin.BULLETIN.key and case.facts.get("figures") is not None


def published(connection: Connection, case: Case) -> Published:
    """What is overdue first, then what is open, then what was closed; by number. Whoever asks need not see these hazards."""
    kept = case.facts["figures"]
    at = datetime.fromisoformat(kept["as_of"])
    still_open, closed = (kept["numbers"][key] for key in bulletin.PUBLISHED)
    found: dict[str, Case] = {}
    for asked in ({**still_open["cases"], "overdue": True}, still_open["cases"], closed["cases"]):
        if len(found) < MOST:
            found |= {each.number: each for each in which(connection, case.organisation, asked, at, most=MOST)}
    shown = sorted(found.values(), key=lambda each: (not each.overdue(at), each.final, each.number))[:MOST]
    return Published(at, shown, still_open["count"] + closed["count"] - len(shown))  # what is open is not closed


def told(
    found: Published, catalog: Catalog, departments: Mapping[str, str], zone: ZoneInfo, locale: Locale
) -> PublishedAnswer:
    """In words.

    departments   code → name
    """
    return PublishedAnswer(
        as_of=found.as_of,
        items=[_row(each, found.as_of, catalog, departments, zone, locale) for each in found.cases],
        left_out=found.left_out,
    )


def _row(
    case: Case, at: datetime, catalog: Catalog, departments: Mapping[str, str], zone: ZoneInfo, locale: Locale
) -> PublishedHazard:
    known = taxonomy()
    return PublishedHazard(
        number=case.number,
        place=case.place,
        category=known.category(case.category).title.in_(locale) if case.category in known.all else case.category,
        level=(levels()[case.level].title if case.level in levels() else NOT_GRADED).in_(locale),
        department=departments.get(case.department or "", case.department or ""),
        state=catalog.of(case).state(case.state).title.in_(locale),
        due_on=None if case.due_at is None else case.due_at.astimezone(zone).date(),
        overdue=case.overdue(at),
    )
