"""What is known of uploaded files: named by the hash of their content, needed by a step, swept when nobody used them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.store.database import table_of
from engine.store.tables import FileRow

_files = table_of(FileRow)

UNUSED_FOR = timedelta(days=7)  # an upload whose step never came


@dataclass(frozen=True, slots=True)
class FileRecord:
    organisation: str
    sha256: str
    media_type: str
    size_bytes: int
    uploaded_by: str
    uploaded_at: datetime
    used_by: str | None = None


def add(connection: Connection, record: FileRecord) -> None:
    """Write an upload down; the same content uploaded again is the same file, and its week starts again."""
    values = {name: getattr(record, name) for name in FileRecord.__slots__}
    statement = upsert(_files).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["organisation", "sha256"], set_={"uploaded_at": record.uploaded_at}
        )
    )


def find(connection: Connection, organisation: str, sha256: str) -> FileRecord | None:
    row = connection.execute(
        select(_files).where(_files.c.organisation == organisation, _files.c.sha256 == sha256)
    ).first()
    return None if row is None else FileRecord(**row._mapping)


def use(connection: Connection, organisation: str, sha256: str, number: str) -> None:
    """The file belongs to a case now and stays as long as the case's record does."""
    connection.execute(
        update(_files)
        .where(_files.c.organisation == organisation, _files.c.sha256 == sha256, _files.c.used_by.is_(None))
        .values(used_by=number)
    )


def sweep(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """Forget what was uploaded over a week ago and never used; gives (organisation, sha256) so that the bytes can go."""
    old = (_files.c.used_by.is_(None), _files.c.uploaded_at <= now - UNUSED_FOR)
    swept = connection.execute(select(_files.c.organisation, _files.c.sha256).where(*old)).all()
    connection.execute(delete(_files).where(*old))
    return [(row.organisation, row.sha256) for row in swept]
