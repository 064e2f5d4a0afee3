"""A backup brought back into an empty place: all of it or nothing, and what was lost since stands in the records.

What a restore cannot know, and what it does about that, is in api/decisions/0002-what-a-restore-cannot-know.md.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import func, inspect, select, text, update

from api import migrations
from api.bootstrap import REAL_ID, SIMULATED_ID, database_of
from api.evidence.store import FileStore
from api.folder import Folder
from api.keeping import postgres
from api.keeping.backup import sync
from api.keeping.keyfile import put, vault_of
from api.keeping.manifest import DATABASES, Manifest, read_manifest, sha256_of, unpack
from api.keys import Held, KeyRing
from api.loops import the_loops
from api.sealing import KeyGone, existing_key_of, last_told, losses
from api.settings import Settings
from engine.actor import system
from engine.audit import Checkpoint, root_of
from engine.case import instant_text
from engine.clock import Clock, RunningFrom, SystemClock, utc
from engine.errors import FolderError, Text
from engine.handle import Engine, note_in
from engine.sealing import number, seal
from engine.store import history, seals, trail
from engine.store.clock import DatabaseClock
from engine.store.database import Connection, Database, set_mark, table_of
from engine.store.tables import FeedRow, OutboxRow, SessionRow, TokenRow
from notifications import accounts
from notifications.tables import DeliveryRow
from workflows.wording import ERROR_WORDS

KEYS = "keys"  # what may lie in an empty data folder: whoever kept the keys puts them there first

_sessions = table_of(SessionRow)
_tokens = table_of(TokenRow)
_feeds = table_of(FeedRow)
_outbox = table_of(OutboxRow)
_deliveries = table_of(DeliveryRow)


@dataclass(frozen=True, slots=True)
class Restored:
    """Of one organisation, what came back and what did not.

    trail       numbers that events have in the backup; what had a later one is lost, or has another now
    waiting     events in it that had none yet
    held        the newest checkpoint held outside that speaks of more than this
    sequence    of the note in the logbook
    sealed      whether a checkpoint was signed at once
    sessions, tokens, feeds     how many were ended
    messages    how many wait that may have been sent already
    locked      channels whose secrets do not open with the keys there are: they have to be set up again
    """

    organisation: str
    events: int
    trail: int
    waiting: int
    checkpoint: Checkpoint | None
    held: Checkpoint | None
    sequence: int
    sealed: bool
    sessions: int
    tokens: int
    messages: int
    feeds: int = 0
    locked: Sequence[str] = ()


def told_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as a note names it."""
    return {"size": checkpoint.size, "root": checkpoint.root, "at": instant_text(checkpoint.at)}


def restore(
    file: Path,
    folder: Folder,
    settings: Settings,
    *,
    held: Mapping[str, Sequence[Held]],
    keys: Path | Mapping[str, bytes] | None = None,
    keep_tokens: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[Manifest, list[Restored]]:
    """Bring a backup back.

    1. look at the place and the table of contents, before anything is written
    2. unpack it beside where it will stay, and look at every part of it
    3. the database, and brought to this program's revision
    4. each organisation: sessions, tokens and links to calendars end, what was just being sent waits again, the logbook says what is lost;
       it is numbered, and sealed where the key is there
    5. the folder gets its marker: only now it is one

    held         by organisation, what was held outside: `read_held`
    keys         a folder with keys as a data folder has them, or what `keyfile.opened` gives, to be taken in
    keep_tokens  leave API tokens and links to calendars as the backup has them
    Raises       FolderError where the place is not empty, or the backup damaged, newer, of the other kind of database, or
                 not what the checkpoints held outside are of, or the clock behind them; then nothing is there afterwards that was not before
    """
    manifest = _table_of_contents(file, folder, settings, held, keys)
    with _staged(folder) as place:
        _unpack(file, manifest, place, progress)
        _take_keys(keys, place)
        dumped = place / DATABASES[manifest.database]
        with _loaded(dumped, place, manifest, settings) as database:
            progress(0.7)
            migrations.upgrade(database)
            keys_at = folder.path / KEYS if (folder.path / KEYS).is_dir() else place / KEYS
            digest = sha256_of(file)
            restored = _settled(database, manifest, digest, held, keys_at, keep_tokens=keep_tokens, progress=progress)
            last = _last_told(database, restored)
            shutil.rmtree(dumped.parent, ignore_errors=True)
            database.close()  # a file that is moved while it is open would leave its journal behind
            _move_in(place, folder, settings, manifest)
            _hold_what_is_there(KeyRing(folder.path / KEYS), last)
    progress(1)
    return manifest, restored


def _table_of_contents(
    file: Path,
    folder: Folder,
    settings: Settings,
    held: Mapping[str, Sequence[Held]],
    keys: Path | Mapping[str, bytes] | None,
) -> Manifest:
    """Raises FolderError where this backup cannot be brought back into this place."""
    manifest = read_manifest(file)
    _must_be_empty(folder, settings)
    _must_be_one(folder, keys)
    _must_be_of(manifest, settings)
    if strangers := sorted(held.keys() - {each.organisation for each in manifest.organisations}):
        raise FolderError(
            Text(
                f"外部保存的检查点属于备份中没有的单位：{'、'.join(strangers)}。没有恢复任何内容，请核对文件。",
                f"There are checkpoints of organisations that are not in the backup: {', '.join(strangers)}. "
                "Nothing was restored; check the file.",
            )
        )
    return manifest


def _unpack(file: Path, manifest: Manifest, place: Path, progress: Callable[[float], None]) -> None:
    def into(name: str) -> BinaryIO:
        target = place / (name if name in DATABASES.values() else _lies_at(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")

    unpack(file, manifest, into, _share_read(manifest, lambda share: progress(0.6 * share)))


def _share_read(manifest: Manifest, progress: Callable[[float], None]) -> Callable[[int], None]:
    """Tells how much of everything is read, 0 to 1, as it is told how many bytes were."""
    whole, read = max(1, sum(member.size for member in manifest.members.values())), 0

    def told(count: int) -> None:
        nonlocal read
        read += count
        progress(read / whole)

    return told


def _beside(ring: KeyRing, organisation: str) -> list[Held]:
    """The checkpoint beside the keys is held outside like any other; one that cannot be read knows nothing."""
    with suppress(ValueError):
        held = ring.held(organisation)
        return [] if held is None else [held]
    return []


def _last_told(database: Database, restored: Sequence[Restored]) -> Mapping[str, Mapping[str, Any] | None]:
    """By organisation, its newest checkpoint, the one signed just now included."""
    last = {}
    for each in restored:
        with database.read(each.organisation) as connection:
            last[each.organisation] = last_told(connection, each.organisation)
    return last


def _hold_what_is_there(ring: KeyRing, last: Mapping[str, Mapping[str, Any] | None]) -> None:
    """From here on the trail has to grow from what came back, and not from what was signed of the lost range."""
    for organisation, told in last.items():
        if told is not None and ring.has_any(organisation):
            ring.hold(organisation, told)
        else:
            ring.let_go(organisation)


def look_at(file: Path, progress: Callable[[float], None] = lambda _: None) -> Manifest:
    """Read a whole backup and compare it with its table of contents; nothing is written. Raises FolderError."""
    manifest = read_manifest(file)
    unpack(file, manifest, lambda _: None, _share_read(manifest, progress))
    return manifest


def read_held(file: Path) -> dict[str, list[Held]]:
    """By organisation, the checkpoints somebody held outside: a JSON object a line with body, signature and public. A line that
    was broken off is the last, or was told again whole afterwards (`api.sealing.SealFile`).

    Raises    FolderError for any other line that is none, or whose signature is not right
    """
    found: dict[str, list[Held]] = {}
    broken_off: dict[int, bytes] = {}
    line, number_of_line = b"", 0
    with file.open("rb") as lines:
        for number_of_line, line in enumerate(lines, start=1):
            said = line.rstrip(b"\r\n")
            if not said.strip():
                continue
            try:
                told = json.loads(said)
            except ValueError:
                broken_off[number_of_line] = said
                continue
            try:
                held = Held.read(told)
            except (ValueError, TypeError) as error:
                raise _no_checkpoint(file, number_of_line) from error
            broken_off = {at: part for at, part in broken_off.items() if not said.startswith(part)}
            found.setdefault(held.checkpoint.organisation, []).append(held)
    if not line.endswith(b"\n"):  # whoever wrote it died meanwhile
        broken_off.pop(number_of_line, None)
    if broken_off:
        raise _no_checkpoint(file, min(broken_off))
    return found


def _no_checkpoint(file: Path, line: int) -> FolderError:
    return FolderError(
        Text(
            f"{file} 第 {line} 行不是签名无误的检查点。没有恢复任何内容；删去该行可以继续。",
            f"Line {line} of {file} is no checkpoint whose signature is right. Nothing was restored; "
            "leave the line out to go on without it.",
        )
    )


# --- the records -----------------------------------------------------------------------------------------------------


def _settled(
    database: Database,
    manifest: Manifest,
    digest: str,
    held: Mapping[str, Sequence[Held]],
    keys_at: Path,
    *,
    keep_tokens: bool,
    progress: Callable[[float], None],
) -> list[Restored]:
    """Every organisation, and then the mark that says whose database it is.

    digest    sha256 of the backup's file
    keys_at   the folder of the keys there are
    Raises    FolderError where the clock is behind what is known to have been signed
    """
    ring, vault = KeyRing(keys_at), vault_of(keys_at)
    everything = {
        each.organisation: [*held.get(each.organisation, ()), *_beside(ring, each.organisation)]
        for each in manifest.organisations
    }
    latest = max((one.checkpoint.at for each in everything.values() for one in each), default=None)
    clock = _clock_of(manifest, database, latest)
    if latest is not None and clock.now() < latest:
        raise _clock_behind(clock.now(), latest)
    engine = Engine(database, the_loops().catalog, clock, ERROR_WORDS)
    restored = []
    for done, records in enumerate(manifest.organisations, start=1):
        here = everything[records.organisation]
        settled = _settle(engine, records.organisation, manifest, digest, here, ring, keep_tokens)
        with database.read(records.organisation) as connection:
            locked = accounts.locked(connection, records.organisation, vault)
        restored.append(replace(settled, locked=locked))
        progress(0.7 + 0.25 * done / len(manifest.organisations))
    with database.own() as connection:
        set_mark(connection, SIMULATED_ID if manifest.simulated else REAL_ID)
    return restored


def _settle(
    engine: Engine,
    organisation: str,
    manifest: Manifest,
    digest: str,
    held: Sequence[Held],
    ring: KeyRing,
    keep_tokens: bool,
) -> Restored:
    """One organisation: in one transaction what ends, what waits again and the note; then its number, and its seal."""
    database, now = engine.database, engine.clock.now()
    with database.write(organisation) as connection:
        events, size = history.count_events(connection, organisation), trail.size(connection, organisation)
        last = seals.last_checkpoint(connection, organisation)
        checkpoint = None if last is None else Checkpoint.from_bytes(last.body.encode())
        beyond = _beyond(connection, organisation, size, held)
        sessions = _end(connection, _sessions, organisation, now)
        tokens = 0 if keep_tokens else _end(connection, _tokens, organisation, now)
        feeds = 0 if keep_tokens else _end(connection, _feeds, organisation, now)
        messages = _wait_again(connection, organisation)
        event = note_in(
            engine, connection, system(organisation), "restored",
            {
                "backup": {"made_at": manifest.made_at, "sha256": digest},
                "events": events,
                "trail": size,
                "checkpoint": checkpoint and told_of(checkpoint),
                "held": beyond and told_of(beyond),
                "lost": {"from": size, "to": beyond and beyond.size},
                "sessions_ended": sessions,
                "tokens_ended": tokens,
                "feeds_ended": feeds,
            },
        )  # fmt: skip
    number(database, organisation)
    signer = None
    with suppress(KeyGone):
        signer = existing_key_of(database, ring, organisation)
    if signer is not None:
        seal(database, organisation, signer, engine.clock)
    return Restored(
        organisation, events, size, events - size, checkpoint, beyond, event.sequence, signer is not None, sessions,
        tokens, messages, feeds,
    )  # fmt: skip


def _beyond(connection: Connection, organisation: str, size: int, held: Sequence[Held]) -> Checkpoint | None:
    """The newest that speaks of more than there is. Raises FolderError for one that speaks of what is there otherwise.

    What an earlier restore lost is not held against this one: the logbook names it.
    """
    tree, lost = seals.Tree(connection, organisation), losses(connection, organisation)
    beyond = [each.checkpoint for each in held if each.checkpoint.size > size]
    for one in (each.checkpoint for each in held):
        known = 0 < one.size <= size and not any(each.explains(one) for each in lost)
        if known and root_of(tree, one.size).hex() != one.root:
            raise FolderError(
                Text(
                    f"备份与外部保存的检查点不符：{organisation} 前 {one.size} 条记录在 {one.at.isoformat()} 时不是这样。"
                    "没有恢复任何内容：备份被改过，或属于另一套数据。",
                    f"The backup is not what a checkpoint held outside is of: the first {one.size} records of "
                    f"{organisation} were others on {one.at.isoformat()}. Nothing was restored: the backup was altered, "
                    "or is one of other data.",
                )
            )
    return max(beyond, key=lambda one: (one.at, one.size), default=None)


def _end(connection: Connection, table: Any, organisation: str, now: datetime) -> int:
    """A session, token or link to a calendar that was ended after the backup must not live again, and nobody knows which those were."""
    mine = (table.c.organisation == organisation, table.c.revoked_at.is_(None))
    return connection.execute(update(table).where(*mine).values(revoked_at=now)).rowcount


def _wait_again(connection: Connection, organisation: str) -> int:
    """What somebody had claimed is free; what waits, and how much, may have been sent after the backup."""
    mine = _outbox.c.organisation == organisation
    connection.execute(
        update(_outbox)
        .where(mine, _outbox.c.lease_until.is_not(None))
        .values(lease_until=None, fence=_outbox.c.fence + 1)
    )
    sending = (_deliveries.c.organisation == organisation, _deliveries.c.status == "sending")
    connection.execute(
        update(_deliveries).where(*sending).values(status="waiting", lease_until=None, fence=_deliveries.c.fence + 1)
    )
    waits = [
        select(func.count()).where(table.c.organisation == organisation, table.c.status == "waiting")
        for table in (_outbox, _deliveries)
    ]
    return sum(int(connection.execute(statement).scalar_one()) for statement in waits)


def _clock_behind(now: datetime, latest: datetime) -> FolderError:
    """The note would say that it was restored before what was lost was signed, and explain nothing."""
    return FolderError(
        Text(
            f"时钟（{instant_text(now)}）早于最后的检查点（{instant_text(latest)} 签署）。没有恢复任何内容：请先校准时钟。",
            f"The clock ({instant_text(now)}) is behind the last checkpoint, which was signed at {instant_text(latest)}. Nothing "
            "was restored: set the clock first.",
        )
    )


def _clock_of(manifest: Manifest, database: Database, latest: datetime | None) -> Clock:
    """latest    when the last checkpoint that is known was signed: a simulated clock goes on from there"""
    if not manifest.simulated:
        return DatabaseClock(database) if database.on_server else SystemClock()
    with database.read_across() as connection:
        recorded = history.latest_instant(connection)
    last = utc(datetime.fromisoformat(manifest.last_instant or manifest.made_at))
    return RunningFrom(max(each for each in (last, recorded, latest) if each is not None))


# --- the place -------------------------------------------------------------------------------------------------------


def _must_be_empty(folder: Folder, settings: Settings) -> None:
    if folder.path.exists() and (
        not folder.path.is_dir() or any(inside.name != KEYS for inside in folder.path.iterdir())
    ):
        raise _not_empty(str(folder.path))
    if settings.on_server:
        with closing(database_of(folder, settings)) as database, database.own() as connection:
            if inspect(connection).get_table_names():
                raise _not_empty("BIHUAN_DATABASE_URL")
    elif settings.database_url and Path(settings.database_url.removeprefix("sqlite:///")).exists():
        raise _not_empty(settings.database_url.removeprefix("sqlite:///"))


def _must_be_one(folder: Folder, keys: Path | Mapping[str, bytes] | None) -> None:
    """Two folders of keys: nobody knows which of them is meant."""
    if keys is not None and (folder.path / KEYS).exists():
        raise FolderError(
            Text(
                f"{folder.path / KEYS} 已有密钥，又给出了 --keys。没有恢复任何内容：请只留其一。",
                f"There are keys in {folder.path / KEYS}, and --keys names others. Nothing was restored: leave one of the two out.",
            )
        )


def _not_empty(what: str) -> FolderError:
    return FolderError(
        Text(
            f"{what} 不是空的，没有恢复任何内容。请恢复到一个新的目录和空的数据库（目录中只可先放入 keys）。",
            f"{what} is not empty, and nothing was restored. Restore into a new folder and an empty database; only `keys` may "
            "lie there before.",
        )
    )


def _must_be_of(manifest: Manifest, settings: Settings) -> None:
    if (manifest.database == "postgresql") == settings.on_server:
        return
    if settings.on_server:
        zh, en = (
            "备份来自 SQLite：请取消 BIHUAN_DATABASE_URL 再恢复，然后用 bihuan db copy 迁到服务器",
            "The backup is one of SQLite: take BIHUAN_DATABASE_URL away, restore it, then move it with `bihuan db copy`",
        )
    else:
        zh, en = (
            "备份来自 PostgreSQL：请用 BIHUAN_DATABASE_URL 指明一个空的数据库",
            "The backup is one of PostgreSQL: name an empty database in BIHUAN_DATABASE_URL",
        )
    raise FolderError(Text(f"{zh}。没有恢复任何内容。", f"{en}. Nothing was restored."))


def _lies_at(name: str) -> str:
    """`files/school/ab12…` where the store keeps it."""
    _, organisation, sha256 = name.split("/")
    return str(FileStore(Path("files")).path_of(organisation, sha256))


@contextmanager
def _staged(folder: Folder) -> Iterator[Path]:
    """A folder inside the data folder, which may be a disk of its own; without a marker nobody takes that for one."""
    made = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    folder.path.mkdir(parents=True, exist_ok=True)
    place = folder.path / f".restoring-{secrets.token_hex(4)}"
    place.mkdir(mode=0o700)
    try:
        yield place
    except BaseException:
        for inside in (folder.files, folder.database, folder.marker):
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise
    shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _loaded(dumped: Path, place: Path, manifest: Manifest, settings: Settings) -> Iterator[Database]:
    """The backup's database, to work in; emptied again on a server if the block raises."""
    if manifest.database == "sqlite":
        file = place / "bihuan.db"
        dumped.rename(file)
        with closing(Database.in_file(file)) as database:
            yield database
        return
    with closing(database_of(Folder(place), settings)) as database:
        using = postgres.program("pg_restore", settings.postgres_programs, database)
        with database.own() as connection:
            schema = str(connection.execute(select(func.current_schema())).scalar_one())
            postgres.make_roles(connection)
        url = settings.database_owner_url or settings.database_url or ""
        postgres.load(using, url, dumped, schema)
        try:
            yield database
        except BaseException:
            with suppress(Exception):  # whatever it was that went wrong is told
                _empty(database)
            raise


def _empty(database: Database) -> None:
    with database.own() as connection:
        for table in inspect(connection).get_table_names():
            connection.execute(text(f'DROP TABLE "{table}" CASCADE'))
        connection.execute(text("DROP FUNCTION IF EXISTS event_is_append_only CASCADE"))
        set_mark(connection, 0)


def _take_keys(keys: Path | Mapping[str, bytes] | None, place: Path) -> None:
    if keys is None:
        return
    if not isinstance(keys, Path):
        put(place / KEYS, keys)
        return
    if not keys.is_dir():
        raise FolderError(Text(f"没有密钥目录 {keys}。", f"There is no folder of keys at {keys}."))
    shutil.copytree(keys, place / KEYS)
    for path in ((place / KEYS), *(place / KEYS).rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _move_in(place: Path, folder: Folder, settings: Settings, manifest: Manifest) -> None:
    """Everything to where it stays, durable; the marker last."""
    file = place / "bihuan.db"
    for path in sorted(place.rglob("*")):
        sync(path)
    if (place / "files").is_dir():
        (place / "files").rename(folder.files)
    else:
        folder.files.mkdir()
    if (place / KEYS).is_dir() and not (folder.path / KEYS).exists():
        (place / KEYS).rename(folder.path / KEYS)
    if file.is_file():
        if settings.database_url:
            shutil.move(file, settings.database_url.removeprefix("sqlite:///"))
        else:
            file.rename(folder.database)
    last = manifest.last_instant
    marker = {"simulated": manifest.simulated, "last_instant": last}
    (place / "folder.json").write_text(json.dumps(marker), encoding="utf-8")
    sync(place / "folder.json")
    (place / "folder.json").rename(folder.marker)
    sync(folder.path)
