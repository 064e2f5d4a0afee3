"""Lists that somebody keeps by a name: what the address of the ledger said when he kept it. His alone."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from engine.store.database import table_of
from engine.store.tables import SavedViewRow

_views = table_of(SavedViewRow)

MOST = 30  # of one person: among more than that nobody finds anything
LONGEST_NAME = 60  # characters

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class View:
    """`said`: the parameters of the address, in their order."""

    id: str
    name: str
    said: Pairs


def of(connection: Connection, organisation: str, person: str) -> list[View]:
    """His, by name."""
    mine = (_views.c.organisation == organisation, _views.c.person == person)
    rows = connection.execute(select(_views).where(*mine).order_by(_views.c.name, _views.c.id))
    return [View(row.id, row.name, [(name, value) for name, value in row.said]) for row in rows]


def keep(connection: Connection, organisation: str, person: str, name: str, said: Pairs, now: datetime) -> bool:
    """Keeps it, in place of one of the same name. False, and nothing changed, where there would be more than `MOST`."""
    mine = (_views.c.organisation == organisation, _views.c.person == person)
    others = select(func.count()).select_from(_views).where(*mine, _views.c.name != name)
    if connection.execute(others).scalar_one() >= MOST:
        return False
    connection.execute(delete(_views).where(*mine, _views.c.name == name))
    values = {
        "organisation": organisation, "person": person, "id": secrets.token_hex(8), "name": name,
        "said": [list(pair) for pair in said], "saved_at": now,
    }  # fmt: skip
    connection.execute(insert(_views), values)
    return True


def remove(connection: Connection, organisation: str, person: str, id_: str) -> bool:
    """Whether there was one."""
    which = (_views.c.organisation == organisation, _views.c.person == person, _views.c.id == id_)
    return connection.execute(delete(_views).where(*which)).rowcount > 0
