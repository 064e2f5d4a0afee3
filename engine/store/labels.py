"""Labels of places, and how many reports came by them. What a label's code holds is kept as a hash alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from engine.store.database import table_of, upsert
from engine.store.tables import PlaceLabelRow, StrangersCountRow

_labels = table_of(PlaceLabelRow)
_counts = table_of(StrangersCountRow)


@dataclass(frozen=True, slots=True)
class Label:
    """A label for a place. Revoked once and for good: another one is made for the same place."""

    organisation: str
    id: str
    place: str
    token_hash: str
    made_at: datetime
    made_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None


def add(connection: Connection, label: Label) -> None:
    connection.execute(insert(_labels), {name: getattr(label, name) for name in Label.__slots__})


def all_of(connection: Connection, organisation: str) -> list[Label]:
    """Those in use first, by place; behind them the revoked ones, the latest first."""
    rows = connection.execute(select(_labels).where(_labels.c.organisation == organisation))
    found = [Label(**row._mapping) for row in rows]
    in_use = sorted((each for each in found if each.revoked_at is None), key=lambda each: (each.place, each.id))
    over = [(each.revoked_at, each.id, each) for each in found if each.revoked_at is not None]
    return in_use + [each for _, _, each in sorted(over, key=lambda one: one[:2], reverse=True)]


def find(connection: Connection, organisation: str, label: str) -> Label | None:
    row = connection.execute(
        select(_labels).where(_labels.c.organisation == organisation, _labels.c.id == label)
    ).first()
    return None if row is None else Label(**row._mapping)


def scanned(connection: Connection, token_hash: str) -> Label | None:
    """The label in use whose code this is. A look-up that spans organisations: it finds which, and has to be named."""
    here = (_labels.c.token_hash == token_hash, _labels.c.revoked_at.is_(None))
    row = connection.execute(select(_labels).where(*here)).first()
    return None if row is None else Label(**row._mapping)


def revoke(connection: Connection, organisation: str, label: str, by: str, at: datetime) -> None:
    here = (_labels.c.organisation == organisation, _labels.c.id == label, _labels.c.revoked_at.is_(None))
    connection.execute(update(_labels).where(*here).values(revoked_at=at, revoked_by=by))


# --- how many reports came -------------------------------------------------------------------------------------------


def count(connection: Connection, organisation: str, day: str, sources: Collection[str]) -> Mapping[str, int]:
    """One more from each source on this day; source → how many that makes. Whoever counts the same at that moment waits."""
    counted: dict[str, int] = {}
    for source in sorted(sources):  # in one order for everybody, so that two never wait for each other
        statement = upsert(_counts).values(organisation=organisation, day=day, source=source, reports=1)
        statement = statement.on_conflict_do_update(
            index_elements=["organisation", "day", "source"], set_={"reports": _counts.c.reports + 1}
        )
        counted[source] = int(connection.execute(statement.returning(_counts.c.reports)).scalar_one())
    return counted


def take_back(connection: Connection, organisation: str, day: str, sources: Collection[str]) -> None:
    """What was counted and did not come to be, one from each source."""
    for source in sorted(sources):
        here = (_counts.c.organisation == organisation, _counts.c.day == day, _counts.c.source == source)
        connection.execute(update(_counts).where(*here, _counts.c.reports > 0).values(reports=_counts.c.reports - 1))


def counted_on(connection: Connection, organisation: str, day: str) -> dict[str, int]:
    rows = connection.execute(
        select(_counts.c.source, _counts.c.reports).where(_counts.c.organisation == organisation, _counts.c.day == day)
    )
    return {row.source: row.reports for row in rows}


def sweep(connection: Connection, before: str) -> int:
    """Forget what was counted on earlier days, in all organisations; gives how many rows."""
    return int(connection.execute(delete(_counts).where(_counts.c.day < before)).rowcount)
