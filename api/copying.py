"""Moving a school's data from one database to another, as from a file to a server: all of it or nothing, and looked at again.

Rows are compared as a multiset, by the sum of their hashes, since the two databases sort text differently.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select

from api import migrations
from engine.audit import verify_chain
from engine.errors import FolderError, Text
from engine.store.database import Database, mark_of, set_mark, table_of
from engine.store.tables import EventRow
from notifications.tables import ChannelRow

BATCH = 1000  # rows sent at once

_events = table_of(EventRow)
_channels = table_of(ChannelRow)


@dataclass(frozen=True, slots=True)
class Copied:
    """rows     table → how many
    chains   histories of cases whose hashes were worked out again at the other end
    """

    rows: Mapping[str, int]
    chains: int

    @property
    def closed(self) -> int:
        """Channels whose secrets went along as they are closed: only the folder's key opens them."""
        return self.rows.get(_channels.name, 0)


def copy(source: Database, target: Database, progress: Callable[[float], None] = lambda _: None) -> Copied:
    """Copy everything into an empty database, in one transaction, which is committed only when every row and every chain
    was found there again.

    progress    told the part that is done, 0 to 1
    Raises      FolderError where the target is not empty, or anything differs at the end; then nothing stays there
    """
    migrations.must_be_newest(source)
    migrations.upgrade(target)
    tables = [table for table in migrations.METADATA.sorted_tables if table.name != "alembic_version"]
    with source.read_across() as here, target.write_across() as there:
        for table in tables:
            if there.execute(select(1).select_from(table).limit(1)).first() is not None:
                raise _not_empty(table)
        counts = {table.name: _count(here, table) for table in tables}
        whole, done = max(1, 2 * sum(counts.values()) + counts[_events.name]), 0
        sums: dict[str, int] = {}
        for table in tables:
            sums[table.name] = 0
            for rows in _batches(here, table):
                there.execute(insert(table), [dict(row._mapping) for row in rows])
                sums[table.name] += sum(map(_hash, rows))
                progress((done := done + len(rows)) / whole)
        for table in tables:
            found = 0
            for rows in _batches(there, table):
                found += sum(map(_hash, rows))
                progress((done := done + len(rows)) / whole)
            if found != sums[table.name] or _count(there, table) != counts[table.name]:
                raise _differs(table)
        chains = 0
        for events in _histories(there):
            if verify_chain([event.envelope.encode() for event in events]) or any(
                hashlib.sha256(event.envelope.encode()).hexdigest() != event.hash for event in events
            ):
                raise _broken(events[0].organisation, events[0].number)
            chains += 1
            progress((done := done + len(events)) / whole)
        mark = mark_of(here)
    with target.own() as there:
        set_mark(there, mark)
    return Copied(counts, chains)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _batches(connection: Connection, table: Table) -> Iterator[list[Row[*tuple[Any, ...]]]]:
    with connection.execute(select(table).execution_options(yield_per=BATCH)) as found:
        for rows in found.partitions():
            yield list(rows)


def _histories(connection: Connection) -> Iterator[list[Row[*tuple[Any, ...]]]]:
    """Each case's events in their order, one case at a time."""
    key = _events.c.organisation, _events.c.number
    columns = (*key, _events.c.envelope, _events.c.hash)
    statement = select(*columns).order_by(*key, _events.c.sequence).execution_options(yield_per=BATCH)
    with connection.execute(statement) as events:
        for _, history in groupby(events, lambda event: (event.organisation, event.number)):
            yield list(history)


def _hash(row: Row[*tuple[Any, ...]]) -> int:
    said = json.dumps(dict(row._mapping), sort_keys=True, ensure_ascii=False, default=_as_text)
    return int.from_bytes(hashlib.sha256(said.encode()).digest(), "big")


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    assert isinstance(value, date | datetime)
    return value.isoformat()


def _not_empty(table: Table) -> FolderError:
    return FolderError(
        Text(
            f"目标数据库不是空的（表 {table.name} 已有内容），没有复制任何内容。请换一个空的数据库。",
            f"The database to copy to is not empty (there are rows in {table.name}); nothing was copied. Choose an empty one.",
        )
    )


def _differs(table: Table) -> FolderError:
    return FolderError(
        Text(
            f"复制后核对不符：表 {table.name}。没有保留任何内容，请重新复制；若再次不符，请联系维护人员。",
            f"What was copied differs from what was to be copied, in {table.name}. Nothing stays there; copy again, and "
            "ask who maintains it where that happens again.",
        )
    )


def _broken(organisation: str, number: str) -> FolderError:
    return FolderError(
        Text(
            f"{organisation} 的 {number} 的记录链不完整，没有复制任何内容。请先从备份恢复该事项的记录。",
            f"The chain of {number} of {organisation} is broken; nothing was copied. Restore its record from a backup first.",
        )
    )
