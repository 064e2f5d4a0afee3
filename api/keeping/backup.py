"""A backup while the product runs: the database as of one instant, the files it refers to, and what tells both apart from others.

    back_up(database, folder, Path("backups"), ...)       # → backups/bihuan-2020-03-02-010000.zip

Written beside and given its name when it is durable and has been read again and compared. No key is in it.
"""

import hashlib
import os
import secrets
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, inspect, make_url, select

from api import migrations
from api.evidence.store import FileStore
from api.folder import Folder
from api.keeping import postgres
from api.keeping.manifest import (
    CHUNK,
    DATABASES,
    MANIFEST,
    DatabaseKind,
    Manifest,
    Member,
    Records,
    Seal,
    sha256_of,
    unpack,
)
from engine.case import instant_text
from engine.errors import Busy, FolderError, Text
from engine.sealing import number_all
from engine.store import history, people, seals, trail
from engine.store.database import Database, table_of
from engine.store.tables import FileHolderRow, FileRow

PAGES = 2000  # of SQLite's, 4 KB each, copied between two reports
NUMBERING_SECONDS = 2  # then the backup begins with what still waits: under steady work there is always more
FASTEST = 1  # how hard a database is pressed: a third of its size, at a hundred megabytes a second

_files = table_of(FileRow)
_holders = table_of(FileHolderRow)


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written, read again and found to be what it should be. `sha256` is that of the whole file."""

    file: Path
    size: int
    sha256: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class _Listed:
    """Of one instant of the database: how far its records go, and which files they need."""

    revision: str
    organisations: Sequence[Records]
    files: Sequence[tuple[str, str, bool]]  # organisation, sha256, whether a case uses it


def back_up(
    database: Database,
    folder: Folder,
    output: Path,
    at: datetime,
    *,
    programs: Path | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Made:
    """Back everything up that the folder and its database hold, but its keys.

    1. events that wait for a number get it, so that as little as possible has none in the backup
    2. the database is copied as of one instant; nobody who writes waits for it
    3. the files which that instant refers to; bytes are always there before their row is
    4. all of it is read again and compared, made durable and given its name

    output      a file that is not there, or a folder, in which it is named by `at`
    programs    the folder with pg_dump, where a server keeps the database
    progress    told the part that is done, 0 to 1
    Raises      FolderError where something is there already, or pg_dump is not, or does not do it; then nothing is left
    """
    output = output.expanduser().absolute()
    if output.is_dir():
        output /= f"bihuan-{at:%Y-%m-%d-%H%M%S}.zip"
    if output.exists():
        raise _there_already(output)
    found = migrations.revision_of(database)
    if found is None:
        migrations.must_be_newest(database)
    if found == migrations.newest_revision():
        enough = time.monotonic() + NUMBERING_SECONDS
        with suppress(Busy):  # a disk that is full is a reason for a backup
            number_all(database, going_on=lambda: time.monotonic() < enough)
    with _beside(output) as place:
        part = place / "backup"
        with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as pack:
            kind: DatabaseKind = "postgresql" if database.on_server else "sqlite"
            copied = place / Path(DATABASES[kind]).name
            if database.on_server:
                listed = _dumped(database, copied, programs)
            else:
                listed = _copied(Path(make_url(database.url).database or ""), copied, lambda p: progress(0.3 * p))
            progress(0.3)
            members = {DATABASES[kind]: _packed(pack, DATABASES[kind], copied, pressed=not database.on_server)}
            copied.unlink()
            progress(0.5)
            manifest = Manifest(
                made_at=instant_text(at), revision=listed.revision, database=kind, simulated=folder.simulated,
                last_instant=instant_text(folder.last_instant) if folder.last_instant else None,
                organisations=listed.organisations, members=members,
            )  # fmt: skip
            manifest = _with_files(pack, manifest, FileStore(folder.files), listed, lambda p: progress(0.5 + 0.2 * p))
            pack.writestr(MANIFEST, manifest.to_bytes())
        whole, read = max(1, sum(member.size for member in manifest.members.values())), 0

        def told(count: int) -> None:
            nonlocal read
            read += count
            progress(0.7 + 0.25 * read / whole)

        unpack(part, manifest, lambda _: None, told)
        sha256, size = sha256_of(part), part.stat().st_size
        _name(part, output)
    progress(1)
    return Made(output, size, sha256, manifest)


# --- the database ----------------------------------------------------------------------------------------------------


def _copied(file: Path, to: Path, progress: Callable[[float], None]) -> _Listed:
    """SQLite's online backup, in steps that all see one instant: inside a transaction that reads.

    Without that, each step would begin anew whenever somebody had written since the one before, and under steady work it
    would never end. Whoever writes goes on; what he writes stays in the journal until this is over.
    """

    def told(_: int, remaining: int, total: int) -> None:
        progress(1 - remaining / max(1, total))

    if not file.is_file():  # else an empty one would be made
        raise FileNotFoundError(2, os.strerror(2), str(file))
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as here,
        closing(sqlite3.connect(to, isolation_level=None)) as there,
    ):
        here.execute("BEGIN")
        here.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the instant is that of the first look
        here.backup(there, pages=PAGES, progress=told, sleep=0)
    with closing(Database.in_file(to)) as copy, copy.read_across() as connection:
        listed = _listed(connection, migrations.revision_of(copy))
    with closing(sqlite3.connect(to, isolation_level=None)) as copy_of_it:
        [[found]] = copy_of_it.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise FolderError(
                Text(
                    f"数据库已损坏（{found}），没有生成备份。请保留现状并从较早的备份恢复。",
                    f"The database is damaged ({found}); no backup was made. Leave it as it is and restore an older backup.",
                )
            )
        copy_of_it.execute("PRAGMA journal_mode=DELETE")  # all of it in the one file
    return listed


def _dumped(database: Database, to: Path, programs: Path | None) -> _Listed:
    """pg_dump's custom format, of the very instant that is listed."""
    using = postgres.program("pg_dump", programs, database)
    revision = migrations.revision_of(database)
    with database.read_across() as connection:
        snapshot = postgres.export_snapshot(connection)
        listed = _listed(connection, revision)
        # as whoever looks at every organisation
        postgres.dump(using, database.readers_across.url.render_as_string(hide_password=False), snapshot, to)
    return listed


def _listed(connection: Connection, revision: str | None) -> _Listed:
    tables = set(inspect(connection).get_table_names())
    known = [each.organisation for each in people.organisations(connection)]
    using = select(_holders.c.organisation, _holders.c.sha256).where(_holders.c.kind == "case")
    used = {tuple(row) for row in connection.execute(using)} if "file_holder" in tables else set()
    there = select(_files.c.organisation, _files.c.sha256).order_by(*_files.primary_key)
    rows = connection.execute(there.where(_files.c.erased.is_(None)) if "trail" in tables else there)
    return _Listed(
        revision or "",
        [_records(connection, each, has_trail="trail" in tables) for each in known],
        [(row.organisation, row.sha256, tuple(row) in used) for row in rows],
    )


def _records(connection: Connection, organisation: str, *, has_trail: bool) -> Records:
    events = history.count_events(connection, organisation)
    if not has_trail:
        return Records(organisation, events, None, events, None)
    size, last = trail.size(connection, organisation), seals.last_checkpoint(connection, organisation)
    public = seals.keys(connection, organisation)
    seal = None if last is None else Seal(last.body, last.signature, public.get(last.key, ""))
    return Records(organisation, events, size, events - size, seal)


# --- the pack --------------------------------------------------------------------------------------------------------


def _with_files(
    pack: zipfile.ZipFile, manifest: Manifest, store: FileStore, listed: _Listed, progress: Callable[[float], None]
) -> Manifest:
    """What a case uses and is gone is told. An upload that nobody used may have been swept meanwhile, as it should."""
    members, missing, damaged = dict(manifest.members), [], []
    for done, (organisation, sha256, used) in enumerate(listed.files, start=1):
        name = f"files/{organisation}/{sha256}"
        try:
            members[name] = _packed(pack, name, store.path_of(organisation, sha256), pressed=False)
        except FileNotFoundError:
            if used:
                missing.append(name)
        else:
            if members[name].sha256 != sha256:
                damaged.append(name)
        progress(done / len(listed.files))
    return replace(manifest, members=members, missing=missing, damaged=damaged)


def _packed(pack: zipfile.ZipFile, name: str, file: Path, *, pressed: bool) -> Member:
    """pressed    whether it gets smaller by it, as pictures do not"""
    with file.open("rb") as source:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if pressed else zipfile.ZIP_STORED
        info._compresslevel = FASTEST  # type: ignore[attr-defined]  # noqa: SLF001  # public from Python 3.13 on
        digest, size = hashlib.sha256(), 0
        with pack.open(info, "w", force_zip64=True) as target:
            for chunk in _chunks(source):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
    return Member(digest.hexdigest(), size)


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder beside, for its owner alone: what goes into a backup is everybody's personal data."""
    place = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    place.mkdir(mode=0o700, parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _name(part: Path, output: Path) -> None:
    """Durable first; and never over something that came there meanwhile."""
    part.chmod(0o600)
    sync(part)
    try:
        os.link(part, output)
    except FileExistsError as error:
        raise _there_already(output) from error
    except OSError:  # a file system without links
        if output.exists():
            raise _there_already(output) from None
        part.rename(output)
    sync(output.parent)


def sync(path: Path) -> None:
    """Whatever was written to this file, or which names were given in this folder, survives a power failure from here on."""
    if path.is_dir() and os.name == "nt":
        return  # where a folder cannot be opened, and need not be
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _there_already(output: Path) -> FolderError:
    return FolderError(
        Text(
            f"{output} 已存在，没有生成备份。备份不会覆盖任何文件：请换一个名字，或给出一个目录，由程序按日期命名。",
            f"{output} is there already; no backup was made, since a backup overwrites nothing. Choose another name, or a "
            "folder, in which it is named by its date.",
        )
    )
