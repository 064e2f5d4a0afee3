"""Secret links to calendars, each somebody's own. What a link holds is kept as a hash alone."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from engine.directory import AT
from engine.store.database import table_of
from engine.store.tables import FeedRow

_feeds = table_of(FeedRow)


@dataclass(frozen=True, slots=True)
class Feed:
    """A link that `person` made for himself. Revoked once and for good.

    department   whose calendar it leads to; None for what waits for him
    fetched_on   the last local day on which anybody fetched it
    """

    organisation: str
    person: str
    id: str
    department: str | None
    token_hash: str
    made_at: datetime
    fetched_on: date | None = None
    revoked_at: datetime | None = None


def add(connection: Connection, feed: Feed) -> None:
    connection.execute(insert(_feeds), {name: getattr(feed, name) for name in Feed.__slots__})


def of(connection: Connection, organisation: str, person: str) -> list[Feed]:
    """Those of his in use: his own first, then by department."""
    mine = (_feeds.c.organisation == organisation, _feeds.c.person == person, _feeds.c.revoked_at.is_(None))
    found = [Feed(**row._mapping) for row in connection.execute(select(_feeds).where(*mine))]
    return sorted(found, key=lambda feed: (feed.department or "", feed.id))


def any_in_use(connection: Connection, organisation: str) -> bool:
    in_use = select(_feeds.c.id).where(_feeds.c.organisation == organisation, _feeds.c.revoked_at.is_(None))
    return connection.execute(in_use.limit(1)).first() is not None


def find(connection: Connection, organisation: str, person: str, feed: str) -> Feed | None:
    """One of his, also a revoked one."""
    this = (_feeds.c.organisation == organisation, _feeds.c.person == person, _feeds.c.id == feed)
    row = connection.execute(select(_feeds).where(*this)).first()
    return None if row is None else Feed(**row._mapping)


def held(connection: Connection, token_hash: str) -> Feed | None:
    """The one in use whose link holds this. A look-up that spans organisations: it finds which, and has to be named."""
    this = (_feeds.c.token_hash == token_hash, _feeds.c.revoked_at.is_(None))
    row = connection.execute(select(_feeds).where(*this)).first()
    return None if row is None else Feed(**row._mapping)


def revoke(connection: Connection, feed: Feed, at: datetime) -> None:
    connection.execute(update(_feeds).where(*_this(feed), _feeds.c.revoked_at.is_(None)).values(revoked_at=at))


def revoke_all(connection: Connection, organisation: str, person: str, at: datetime) -> None:
    """Every link of somebody's, also those he made at other organisations as one who came from here: across them all."""
    here = and_(_feeds.c.organisation == organisation, _feeds.c.person == person)
    elsewhere = _feeds.c.person == f"{person}{AT}{organisation}"
    his = (or_(here, elsewhere), _feeds.c.revoked_at.is_(None))
    connection.execute(update(_feeds).where(*his).values(revoked_at=at))


def fetched(connection: Connection, feed: Feed, day: date) -> None:
    """Somebody fetched it on this local day."""
    connection.execute(update(_feeds).where(*_this(feed)).values(fetched_on=day))


def _this(feed: Feed) -> tuple[ColumnElement[bool], ...]:
    return _feeds.c.organisation == feed.organisation, _feeds.c.person == feed.person, _feeds.c.id == feed.id
