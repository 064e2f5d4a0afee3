"""What is known of uploaded files: named by the hash of their content, needed by a step, swept when nobody used them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, exists, func, or_, select, update

from engine.store.database import table_of, upsert
from engine.store.statements import Question, Statement
from engine.store.tables import FileHolderRow, FileRow

_files = table_of(FileRow)
_holders = table_of(FileHolderRow)

UNUSED_FOR = timedelta(days=7)  # an upload whose step never came

_holding = upsert(_holders)
_HOLD = Statement(
    _holding.on_conflict_do_update(
        index_elements=["organisation", "sha256", "kind", "holder"],
        set_={  # what somebody sent first stays on record, whatever he sends later that becomes the same file
            name: func.coalesce(_holders.c[name], _holding.excluded[name])
            for name in ("sent_sha256", "name", "taken_at")
        },
    )
)
_HERE = (_files.c.organisation == bindparam("organisation"), _files.c.sha256 == bindparam("sha256"))
_FIND = Statement(select(_files).where(*_HERE))
_SENT = exists().where(
    _holders.c.organisation == _files.c.organisation, _holders.c.sha256 == _files.c.sha256,
    _holders.c.kind == "uploader", _holders.c.holder == bindparam("by"),
)  # fmt: skip
_OFFERED = Statement(select(_files.c.media_type, _SENT.label("sent")).where(*_HERE))


@dataclass(frozen=True, slots=True)
class FileRecord:
    """`uploaded_at`: the last time somebody sent this content; `erased`: of one whose bytes were cleared, where it says so."""

    organisation: str
    sha256: str
    media_type: str
    size_bytes: int
    uploaded_at: datetime
    erased: int | None = None

    @property
    def is_picture(self) -> bool:
        return is_picture(self.media_type)


@dataclass(frozen=True, slots=True)
class Offered:
    """A file that somebody names as his evidence. `sent`: it is he who sent it."""

    is_picture: bool
    sent: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """What one sender sent.

    sha256     of the bytes as they came: a picture's are drawn anew before they are kept; None for what came before that
    name       what he calls it, for people to read
    taken_at   when the camera says it was taken, in its own time: a claim
    """

    sha256: str | None
    name: str = ""
    taken_at: str | None = None


def is_picture(media_type: str) -> bool:
    return media_type.startswith("image/")


def add(connection: Connection, record: FileRecord, by: str, sent: Sent | None = None) -> None:
    """Write an upload down; the same content uploaded again is the same file, and its week starts again.

    by     the principal who sent it, who may fetch it from now on
    sent   what it was before it was kept
    """
    values = {name: getattr(record, name) for name in FileRecord.__slots__}
    statement = upsert(_files).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["organisation", "sha256"], set_={"uploaded_at": record.uploaded_at, "erased": None}
        )
    )
    _hold(connection, record.organisation, record.sha256, "uploader", by, sent)


def find(connection: Connection, organisation: str, sha256: str) -> FileRecord | None:
    row = _FIND.first(connection, {"organisation": organisation, "sha256": sha256})
    return FileRecord(**row._asdict()) if row else None


def offering(organisation: str, sha256: str, by: str) -> Question[Offered | None]:
    """The file that this principal names as evidence; None where there is none. To be asked together with other questions."""
    here = {"organisation": organisation, "sha256": sha256, "by": by}
    return Question(
        _OFFERED, here, lambda rows: Offered(is_picture(rows[0].media_type), bool(rows[0].sent)) if rows else None
    )


def made_of(connection: Connection, organisation: str, sha256: str) -> FileRecord | None:
    """The file that the bytes of this hash became when they were sent; or are, if they were made here of others."""
    statement = (
        select(_files)
        .join(
            _holders,
            (_holders.c.organisation == _files.c.organisation)
            & (_holders.c.sha256 == _files.c.sha256)
            & (_holders.c.kind == "uploader"),
        )
        .where(
            _holders.c.organisation == organisation,
            _holders.c.sent_sha256.is_not(None),
            or_(_holders.c.sent_sha256 == sha256, _holders.c.sha256 == sha256),
        )
        .order_by(_files.c.sha256)
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else FileRecord(**row._mapping)


def senders(connection: Connection, organisation: str, sha256: str) -> dict[str, Sent]:
    """principal → what he sent, of everybody who sent it."""
    statement = (
        select(_holders)
        .where(_holders.c.organisation == organisation, _holders.c.sha256 == sha256, _holders.c.kind == "uploader")
        .order_by(_holders.c.holder)
    )
    rows = connection.execute(statement)
    return {row.holder: Sent(row.sent_sha256, row.name or "", row.taken_at) for row in rows}


def cases_using(connection: Connection, organisation: str, sha256: str) -> list[str]:
    """The numbers of the cases it is evidence in."""
    statement = (
        select(_holders.c.holder)
        .where(_holders.c.organisation == organisation, _holders.c.sha256 == sha256, _holders.c.kind == "case")
        .order_by(_holders.c.holder)
    )
    return list(connection.execute(statement).scalars())


def use(connection: Connection, organisation: str, sha256: str, number: str) -> None:
    """The file is evidence in this case now, and stays as long as the case's record does."""
    _hold(connection, organisation, sha256, "case", number)


def mark_erased(connection: Connection, organisation: str, sha256: str, sequence: int) -> None:
    """Its bytes are cleared, as this event of the logbook says; that it was there stays on record."""
    here = (_files.c.organisation == organisation, _files.c.sha256 == sha256)
    connection.execute(update(_files).where(*here).values(erased=sequence))


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


def _hold(
    connection: Connection, organisation: str, sha256: str, kind: str, holder: str, sent: Sent | None = None
) -> None:
    told: dict[str, str | None] = {"sent_sha256": None, "name": None, "taken_at": None}
    if sent is not None:
        told = {"sent_sha256": sent.sha256, "name": sent.name or None, "taken_at": sent.taken_at}
    values = {"organisation": organisation, "sha256": sha256, "kind": kind, "holder": holder}
    _HOLD.put(connection, {**values, **told})
