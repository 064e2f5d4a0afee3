"""What is known of uploaded files: named by the hash of their content, needed by a step, swept when nobody used them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.store.database import table_of
from engine.store.tables import FileHolderRow, FileRow

_files = table_of(FileRow)
_holders = table_of(FileHolderRow)

UNUSED_FOR = timedelta(days=7)  # an upload whose step never came

_HOLD = upsert(_holders).on_conflict_do_nothing()
_FIND = select(_files).where(_files.c.organisation == bindparam("organisation"), _files.c.sha256 == bindparam("sha256"))


@dataclass(frozen=True, slots=True)
class FileRecord:
    """`uploaded_at`: the last time somebody sent this content."""

    organisation: str
    sha256: str
    media_type: str
    size_bytes: int
    uploaded_at: datetime


def add(connection: Connection, record: FileRecord, by: str) -> None:
    """Write an upload down; the same content uploaded again is the same file, and its week starts again.

    by   the principal who sent it, who may fetch it from now on
    """
    values = {name: getattr(record, name) for name in FileRecord.__slots__}
    statement = upsert(_files).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["organisation", "sha256"], set_={"uploaded_at": record.uploaded_at}
        )
    )
    _hold(connection, record.organisation, record.sha256, "uploader", by)


def find(connection: Connection, organisation: str, sha256: str) -> FileRecord | None:
    row = connection.execute(_FIND, {"organisation": organisation, "sha256": sha256}).first()
    return None if row is None else FileRecord(**row._mapping)


def uploaders(connection: Connection, organisation: str, sha256: str) -> list[str]:
    """The principals who sent it."""
    return _holding(connection, organisation, sha256, "uploader")


def cases_using(connection: Connection, organisation: str, sha256: str) -> list[str]:
    """The numbers of the cases it is evidence in."""
    return _holding(connection, organisation, sha256, "case")


def use(connection: Connection, organisation: str, sha256: str, number: str) -> None:
    """The file is evidence in this case now, and stays as long as the case's record does."""
    _hold(connection, organisation, sha256, "case", number)


def sweep(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """Forget what was uploaded a week ago and never used; gives (organisation, sha256) so that the bytes can go."""
    used = select(_holders.c.sha256).where(
        _holders.c.organisation == _files.c.organisation,
        _holders.c.sha256 == _files.c.sha256,
        _holders.c.kind == "case",
    )
    old = (~used.exists(), _files.c.uploaded_at <= now - UNUSED_FOR)
    swept = [(row.organisation, row.sha256) for row in connection.execute(select(_files).where(*old))]
    for organisation, sha256 in swept:
        for table in (_holders, _files):
            connection.execute(delete(table).where(table.c.organisation == organisation, table.c.sha256 == sha256))
    return swept


def _hold(connection: Connection, organisation: str, sha256: str, kind: str, holder: str) -> None:
    connection.execute(_HOLD, {"organisation": organisation, "sha256": sha256, "kind": kind, "holder": holder})


def _holding(connection: Connection, organisation: str, sha256: str, kind: str) -> list[str]:
    statement = (
        select(_holders.c.holder)
        .where(_holders.c.organisation == organisation, _holders.c.sha256 == sha256, _holders.c.kind == kind)
        .order_by(_holders.c.holder)
    )
    return list(connection.execute(statement).scalars())
