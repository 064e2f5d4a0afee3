"""Events as they lie in memory, for whoever takes them away: the bytes that were hashed, what lies beside them, their places."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from engine.store.database import table_of
from engine.store.history import same_event, told_by
from engine.store.tables import DisclosureRow, EventRow, TrailRow

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_trail = table_of(TrailRow)

AT_ONCE = 500  # events read in one go: some megabytes


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it is stored, and which leaf of the tree it is.

    workflow, department, assignee   as the case stood after it; "" and None of what belongs to no case
    envelope                         the very text that was hashed
    hash                             hex SHA-256 of it
    entries                          name → {"salt": hex, "value": …}; of one that was cleared {"erased": …, "value": …, "nonce": …}
    """

    position: int
    number: str
    sequence: int
    workflow: str
    department: str | None
    assignee: str | None
    envelope: str
    hash: str
    entries: Mapping[str, Mapping[str, Any]]

    def read(self) -> dict[str, Any]:
        """What the envelope says."""
        said: dict[str, Any] = orjson.loads(self.envelope)
        return said

    def answers(self) -> dict[str, Any]:
        """What a form said, by its fields; of what was cleared, what is left."""
        return told_by(self.read(), self.entries)[0]

    def changes(self) -> dict[str, Any]:
        """What changed of the case, by its attributes; of what was cleared, what is left."""
        return told_by(self.read(), self.entries)[1]

    def cleared(self) -> list[str]:
        """The names of what was cleared."""
        return sorted(name for name, entry in self.entries.items() if is_cleared(entry))


def is_cleared(entry: Mapping[str, Any]) -> bool:
    """Whether this entry was cleared: its commitment cannot be opened any more."""
    return "erased" in entry


class Reading(Protocol):
    """Opens a reading transaction of one organisation, as `Database.read` does."""

    def read(self, organisation: str) -> AbstractContextManager[Connection]: ...


def of_case(connection: Connection, organisation: str, number: str) -> list[Record]:
    """A case's, oldest first, of those that have their number in the trail."""
    statement = _selected(organisation).where(_trail.c.number == number).order_by(_trail.c.sequence)
    return [Record(**row._mapping) for row in connection.execute(statement)]


def in_order(database: Reading, organisation: str, size: int, at_once: int = AT_ONCE) -> Iterator[Record]:
    """The first `size` of an organisation in the order of the trail, a few at a time: nobody is held up meanwhile."""
    position = -1
    while position < size - 1:
        after = _trail.c.position > position
        found = _some(database, organisation, size, after, [_trail.c.position], at_once)
        yield from found
        if not found:
            return
        position = found[-1].position


def case_by_case(database: Reading, organisation: str, size: int, at_once: int = AT_ONCE) -> Iterator[Record]:
    """As `in_order`, but those of one case together, in the order of numbers."""
    last: tuple[str, int] | None = None
    while True:
        after = None
        if last is not None:
            # its first part is what an index is gone through from; of the second alone no database would see that
            after = and_(_trail.c.number >= last[0], or_(_trail.c.number > last[0], _trail.c.sequence > last[1]))
        found = _some(database, organisation, size, after, [_trail.c.number, _trail.c.sequence], at_once)
        yield from found
        if not found:
            return
        last = found[-1].number, found[-1].sequence


def _some(
    database: Reading, organisation: str, size: int, after: ColumnElement[bool] | None, order: list[Any], at_once: int
) -> list[Record]:
    statement = _selected(organisation).where(_trail.c.position < size).order_by(*order).limit(at_once)
    if after is not None:
        statement = statement.where(after)
    with database.read(organisation) as connection:
        return [Record(**row._mapping) for row in connection.execute(statement)]


def _selected(organisation: str) -> Select[Any]:
    return (
        select(
            _trail.c.position, _trail.c.number, _trail.c.sequence, _trail.c.workflow, _trail.c.department,
            _trail.c.assignee, _events.c.envelope, _events.c.hash,
            _disclosures.c.entries,
        )
        .join(_events, same_event(_events, _trail))
        .join(_disclosures, same_event(_disclosures, _trail))
        .where(_trail.c.organisation == organisation)
    )  # fmt: skip
