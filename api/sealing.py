"""Sealing as a service: every organisation's trail is numbered and signed, with its own key, and nobody waits for it.

A key is made once, at setup or when an organisation is first sealed. Where an organisation has one and the data folder does
not (keys are in no ordinary backup), nothing is signed until it is brought back or another one is begun by command: a key
that appeared by itself would look like a forger's.

The last checkpoint that was signed here lies beside the key, where whoever has the database alone does not reach. What does not
grow from it is not signed: engine/decisions/0013.
"""

import errno
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog
from filelock import FileLock

from api.keys import Held, KeyRing, SealKey, is_signed
from engine.actor import system
from engine.audit import Checkpoint
from engine.case import instant_text
from engine.errors import BihuanError, Busy, FolderError, Text
from engine.events import LOGBOOK, Notice
from engine.handle import Engine, note, note_in
from engine.pace import Pace
from engine.sealing import Signer, alone, grows_from, number, number_all, number_in, seal_in
from engine.store import history, outbox, people, seals, trail
from engine.store import verifying as kept
from engine.store.database import Connection, Database
from engine.verifying import Lost

log = structlog.get_logger(__name__)

WAITS_SECONDS = 5  # for another process that writes to the seal file
LINES_AT_ONCE = 500  # checkpoints read for the file in one transaction


class KeyGone(FolderError):
    """The organisation seals with a key that does not lie in this folder."""

    def __init__(self, organisation: str, key: str) -> None:
        self.key = key
        super().__init__(
            Text(
                f"单位 {organisation} 的签名密钥（指纹 {key}）不在数据目录中，未签署检查点。密钥不随普通备份保存："
                "请用 bihuan audit seal --import-key 导入留存的密钥；确已遗失的，用 bihuan audit seal --new-key 启用新密钥。",
                f"The key that {organisation} seals with (fingerprint {key}) is not in the data folder: no checkpoint was "
                "signed. Keys are in no ordinary backup: bring the kept one back with `bihuan audit seal --import-key`; "
                "where it is lost for good, begin another with `bihuan audit seal --new-key`.",
            )
        )


class NotGrown(FolderError):
    """The trail is not what the checkpoint that lies beside the key was signed over."""

    def __init__(self, organisation: str, held: Checkpoint) -> None:
        when = instant_text(held.at)
        super().__init__(
            Text(
                f"单位 {organisation} 的审计轨迹与密钥旁留存的检查点（{held.size} 条记录，{when} 签署）不符：其所述的记录被改动或截去，"
                "或数据库被换成了较早的备份。未签署检查点。请运行 bihuan audit verify 查明；数据库确由备份恢复的，"
                "用 bihuan audit seal --after-restore 记录在案并继续签署。",
                f"The trail of {organisation} does not grow from the checkpoint that lies beside its key ({held.size} events, "
                f"signed at {when}): events it speaks of were changed or cut off, or an older backup was put in the place of "
                "the database. No checkpoint was signed. Find out by `bihuan audit verify`; where a backup was brought back, "
                "put it on record and go on with `bihuan audit seal --after-restore`.",
            )
        )


class HeldUnreadable(FolderError):
    """What lies beside the key is no checkpoint."""

    def __init__(self, organisation: str) -> None:
        super().__init__(
            Text(
                f"单位 {organisation} 密钥旁留存的检查点 keys/seal/{organisation}/held.json 无法读取，未签署检查点。请先用外存检查点核验"
                "（bihuan audit verify --checkpoint），无误后删除该文件，下次签署时会重新留存。",
                f"The checkpoint beside the key of {organisation}, keys/seal/{organisation}/held.json, cannot be read, and none was "
                "signed. Verify against one kept elsewhere (`bihuan audit verify --checkpoint`); if that is clean, remove the file: "
                "the next one that is signed will lie there.",
            )
        )


@dataclass
class SealedRound:
    """What a round did: events numbered, the checkpoints signed by organisation, and who could not be sealed and why."""

    numbered: int = 0
    sealed: dict[str, Checkpoint] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)


def seal_all(
    engine: Engine, ring: KeyRing, pace: Pace | None = None, going_on: Callable[[], bool] = lambda: True
) -> SealedRound:
    """Number and sign whatever is not yet. One organisation that cannot be sealed holds up no other."""
    done = SealedRound()
    done.numbered = number_all(engine.database, pace, going_on, done.failed.__setitem__)
    with engine.database.read_across() as connection:
        unsealed = seals.organisations_unsealed(connection)
    for organisation in unsealed:
        if not going_on():
            break
        if organisation in done.failed:  # a checkpoint over rows that do not fit would hide that
            continue
        try:
            checkpoint = seal_now(engine, ring, organisation, pace)
        except Busy:
            raise
        except (BihuanError, OSError) as error:
            done.failed[organisation] = error
        else:
            if checkpoint is not None:
                done.sealed[organisation] = checkpoint
    return done


def seal_now(engine: Engine, ring: KeyRing, organisation: str, pace: Pace | None = None) -> Checkpoint | None:
    """Number and sign what one organisation has recorded; None where its last checkpoint says as much.

    Raises    KeyGone, NotGrown, HeldUnreadable
    """
    signer = key_of(engine, ring, organisation)
    number(engine.database, organisation, pace)
    return sign(engine, ring, organisation, signer)


def sign(engine: Engine, ring: KeyRing, organisation: str, signer: Signer) -> Checkpoint | None:
    """Sign what has a number, if it grows from what was signed here last; None where the last checkpoint says as much.

    Raises    NotGrown, HeldUnreadable
    """
    with engine.database.write(organisation) as connection:
        alone(connection, organisation)
        must_grow(connection, ring, organisation)
        checkpoint = seal_in(connection, organisation, signer, engine.clock)
        told = None if checkpoint is None else last_told(connection, organisation)
    if told is not None:
        hold(ring, organisation, told)
    return checkpoint


def must_grow(connection: Connection, ring: KeyRing, organisation: str) -> None:
    """Raises NotGrown where the trail is not what was signed here last, unless a restore lost that and this is signed; and
    HeldUnreadable.
    """
    held = held_in(ring, organisation)
    if held is None or grows_from(connection, organisation, held.checkpoint):
        return
    for lost in losses(connection, organisation):
        if lost.explains(held.checkpoint) and is_vouched_for(
            connection, organisation, lost, held.checkpoint, lambda signed: _signed_by_ours(ring, organisation, signed)
        ):
            return
    raise NotGrown(organisation, held.checkpoint)


def held_in(ring: KeyRing, organisation: str) -> Held | None:
    """What was signed here last, None where nothing was. Raises HeldUnreadable."""
    try:
        return ring.held(organisation)
    except ValueError as error:
        raise HeldUnreadable(organisation) from error


def hold(ring: KeyRing, organisation: str, told: Mapping[str, object]) -> None:
    """Keep a checkpoint beside the key: it is committed, so what cannot be written now is told, and the next one will be."""
    try:
        ring.hold(organisation, told)
    except OSError as error:
        log.warning("checkpoint_not_held", organisation=organisation, why=str(error))


def losses(connection: Connection, organisation: str) -> list[Lost]:
    """What every restore that the logbook tells of left behind, oldest first."""
    found = []
    for each in kept.noted(connection, organisation, "restored"):
        position = trail.position_of(connection, organisation, LOGBOOK, each.sequence)
        lost = Lost.said(each.about, each.recorded_at, each.sequence, position)
        if lost is not None:
            found.append(lost)
    return found


def is_vouched_for(
    connection: Connection,
    organisation: str,
    lost: Lost,
    checkpoint: Checkpoint,
    is_right: Callable[[seals.Signed], bool],
) -> bool:
    """Whether a key signed, after this checkpoint, a trail in which a *restored* note says that it is lost. Anybody who has the
    database can write such a note; that the key signs it while a later checkpoint lies beside it takes whoever has the key.

    is_right    whether the signature is one of a key that counts
    """
    for signed in seals.last_of_each_key(connection, organisation):
        try:
            found = Checkpoint.from_bytes(signed.body.encode(errors="surrogatepass"))
        except ValueError:
            continue
        covers = lost.position is not None and lost.position < found.size and found.at >= checkpoint.at
        if covers and is_right(signed) and grows_from(connection, organisation, found):
            return True
    return False


def _signed_by_ours(ring: KeyRing, organisation: str, signed: seals.Signed) -> bool:
    """Whether a key that lies here signed it."""
    try:
        key, signature = ring.find(organisation, signed.key), bytes.fromhex(signed.signature)
    except (OSError, ValueError):
        return False
    return key is not None and key.key == signed.key and is_signed(key.public, signature, signed.body.encode())


def last_told(connection: Connection, organisation: str) -> dict[str, object] | None:
    """The last checkpoint, with what is needed to check it."""
    signed = seals.last_checkpoint(connection, organisation)
    return None if signed is None else outside(signed, seals.keys(connection, organisation))


def seal_after_restore(engine: Engine, ring: KeyRing, organisation: str) -> Checkpoint | None:
    """Sign although the trail does not grow from what was signed here last: whoever has the key says that a backup was brought
    back. Where no *restored* note explains that, as when the server's own snapshot was, one is written: what came after the last
    checkpoint that is there is lost.

    Raises    KeyGone
    """
    signer = key_of(engine, ring, organisation)
    number(engine.database, organisation)
    with engine.database.write(organisation) as connection:
        alone(connection, organisation)
        held = None
        with suppress(ValueError):
            held = ring.held(organisation)
        if held is not None and not grows_from(connection, organisation, held.checkpoint):
            lost = held.checkpoint
            if not any(each.explains(lost) for each in losses(connection, organisation)):
                _note_restored(engine, connection, organisation, lost)
                number_in(connection, organisation)
        checkpoint = seal_in(connection, organisation, signer, engine.clock)
        told = last_told(connection, organisation)
    if told is not None:
        ring.hold(organisation, told)
    return checkpoint


def _note_restored(engine: Engine, connection: Connection, organisation: str, lost: Checkpoint) -> None:
    last = seals.last_checkpoint(connection, organisation)
    size = 0 if last is None else min(last.size, lost.size - 1)
    events = history.count_events(connection, organisation)
    held = {"size": lost.size, "root": lost.root, "at": instant_text(lost.at)}
    about = {"events": events, "trail": size, "held": held, "lost": {"from": size, "to": lost.size}}
    note_in(engine, connection, system(organisation), "restored", about)


def key_of(engine: Engine, ring: KeyRing, organisation: str) -> SealKey:
    """What the organisation seals with; drawn where it never had one.

    Raises    KeyGone
    """
    return existing_key_of(engine.database, ring, organisation) or _begun(engine, ring, organisation)


def existing_key_of(database: Database, ring: KeyRing, organisation: str) -> SealKey | None:
    """As `key_of`, for whoever draws none: None where there never was one. Raises KeyGone."""
    with database.read(organisation) as connection:
        current = seals.current_key(connection, organisation)
    return None if current is None else key_in(ring, organisation, current)


def key_in(ring: KeyRing, organisation: str, key: str) -> SealKey:
    """The key of this fingerprint. Raises KeyGone where it does not lie here, or what does is no key or another one."""
    try:
        found = ring.find(organisation, key)
    except ValueError:  # a file that is no key
        found = None
    if found is None or found.key != key:
        raise KeyGone(organisation, key)
    return found


def _begun(engine: Engine, ring: KeyRing, organisation: str) -> SealKey:
    """The first key: in the folder before the database hears of it. Of several nodes that draw one the first one's stays."""
    drawn = SealKey.drawn()
    ring.keep(organisation, drawn)
    with engine.database.write(organisation) as connection:
        alone(connection, organisation)
        current = seals.current_key(connection, organisation)
        if current is None:
            _begin(engine, connection, organisation, drawn, before=None)
            return drawn
    ring.drop(organisation, drawn)
    return key_in(ring, organisation, current)


def _begin(engine: Engine, connection: Connection, organisation: str, key: SealKey, before: str | None) -> None:
    seals.begin_key(connection, organisation, key.key, key.public.hex(), engine.clock.now())
    _note(engine, connection, organisation, key, before)


def _note(engine: Engine, connection: Connection, organisation: str, key: SealKey, before: str | None) -> None:
    about = {"key": key.key, "public": key.public.hex(), "before": before}
    note_in(engine, connection, system(organisation), "key_began", about)


def begin_another(engine: Engine, ring: KeyRing, organisation: str) -> Checkpoint:
    """From now on the organisation seals with a new key, for which the one before vouches if it is there.

    1. the new key lies in the folder
    2. in one transaction: the logbook names it; the old key signs the tree that has this in it, as the last thing it signs;
       the new key begins and signs the same. Whoever is interrupted leaves a file of no use, and nothing on record

    Raises    NotGrown, HeldUnreadable
    """
    with engine.database.read(organisation) as connection:
        before = seals.current_key(connection, organisation)
    if before is None:
        key_of(engine, ring, organisation)
        checkpoint = seal_now(engine, ring, organisation)
        assert checkpoint is not None  # its beginning is an event
        return checkpoint
    try:
        old: SealKey | None = key_in(ring, organisation, before)
    except KeyGone:
        old = None
    new = SealKey.drawn()
    ring.keep(organisation, new)
    number(engine.database, organisation)
    try:
        with engine.database.write(organisation) as connection:
            alone(connection, organisation)
            must_grow(connection, ring, organisation)
            _note(engine, connection, organisation, new, before)
            number_in(connection, organisation)
            if old is not None:
                seal_in(connection, organisation, old, engine.clock)
            seals.begin_key(connection, organisation, new.key, new.public.hex(), engine.clock.now())
            checkpoint = seal_in(connection, organisation, new, engine.clock)
            told = last_told(connection, organisation)
    except (NotGrown, HeldUnreadable):
        ring.drop(organisation, new)
        raise
    assert checkpoint is not None and told is not None  # another key signs
    hold(ring, organisation, told)
    return checkpoint


SHORTEST_PASSPHRASE = 12  # characters: whoever has the file may try as long as he likes


def must_be_long_enough(passphrase: str) -> None:
    """Raises FolderError for a passphrase that is too short to keep a key under."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise FolderError(
            Text(
                f"口令至少 {SHORTEST_PASSPHRASE} 个字符。没有导出任何内容。",
                f"A passphrase has at least {SHORTEST_PASSPHRASE} characters. Nothing was exported.",
            )
        )


def export_key(engine: Engine, ring: KeyRing, organisation: str, passphrase: str, to: Path) -> str:
    """The key that is sealed with now, under a passphrase, into a new file for its user only; gives its fingerprint.

    Raises    KeyGone; FolderError for a passphrase that is too short and a file that is there already
    """
    must_be_long_enough(passphrase)
    key = key_of(engine, ring, organisation)
    if to.exists():
        raise FolderError(
            Text(f"文件 {to} 已存在，不会覆盖。请换一个名字。", f"{to} is there already and stays. Name another file.")
        )
    note(engine, system(organisation), "exported", {"what": "seal_key", "key": key.key})
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.to_pem(passphrase.encode()))
        file.flush()
        os.fsync(file.fileno())
    return key.key


def import_key(engine: Engine, ring: KeyRing, organisation: str, written: bytes, passphrase: str) -> str:
    """Bring a key of this organisation back into the folder; gives its fingerprint.

    Raises    FolderError for what is no such key, another passphrase, and a key of somebody else
    """
    try:
        key = SealKey.from_pem(written, passphrase.encode())
    except ValueError:
        raise FolderError(
            Text(
                "该文件不是签名密钥，或口令不符。没有导入任何内容。",
                "This file is no key that was exported, or the passphrase is another one. Nothing was imported.",
            )
        ) from None
    with engine.database.read(organisation) as connection:
        known = seals.keys(connection, organisation)
    if key.key not in known:
        raise FolderError(
            Text(
                f"指纹为 {key.key} 的密钥从未用于单位 {organisation}。没有导入任何内容。",
                f"{organisation} never sealed with the key of fingerprint {key.key}. Nothing was imported.",
            )
        )
    ring.keep(organisation, key)
    return key.key


# --- checkpoints kept outside -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """The last line of an organisation."""

    id: int
    at: datetime
    body: str


class SealFile:
    """Every checkpoint of every organisation as a line of JSON: `id`, `body`, `signature`, `public`.

    The file itself says how far it has come, so that it lacks nothing after a crash, a full disk or a disk that was away,
    whoever of several nodes writes to it; one that was taken away is written anew from the first checkpoint on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        # held by one thread of one process: two would write the same line
        self._alone = FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=WAITS_SECONDS, thread_local=False)
        self._told: dict[str, _Told] = {}
        self._ours: set[str] = set()  # whose last line is one of the checkpoints there are
        self._read_to = 0
        self._is: tuple[int, int] | None = None

    def catch_up(self, database: Database) -> int:
        """Append what it lacks, durable on return; how many lines that were. Raises OSError."""
        if not self.path.parent.is_dir():  # a disk that is away: a folder made in its place would hide that
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path.parent))
        with self._alone, self.path.open("ab+") as file:
            self._look_through(file)
            with database.read_across() as connection:
                newest = seals.newest_of_all(connection)
            lines = 0
            for organisation, last in newest.items():
                told = self._told_until(database, organisation)
                while told < last:
                    written = _lines(database, organisation, told)
                    if not written:
                        break
                    file.write(b"".join(line for _, line in written))
                    signed = written[-1][0]
                    told, self._told[organisation] = signed.id, _Told(signed.id, signed.at, signed.body)
                    self._ours.add(organisation)
                    lines += len(written)
            file.flush()
            os.fsync(file.fileno())
            self._read_to = file.tell()
        return lines

    def _told_until(self, database: Database, organisation: str) -> int:
        """The id of the last checkpoint that the file has. Ids are given again once a backup was restored: the last line may
        be of a history that is lost.
        """
        told = self._told.get(organisation)
        if told is None or organisation in self._ours:
            return 0 if told is None else told.id
        with database.read(organisation) as connection:
            known = seals.known_by(connection, organisation, told.id, told.at, told.body)
        if known == told.id:
            self._ours.add(organisation)
        return known

    def _look_through(self, file: io.BufferedRandom) -> None:
        """What was written since the last look, by whomever."""
        there = os.fstat(file.fileno())
        if self._is != (there.st_dev, there.st_ino) or there.st_size < self._read_to:
            self._told, self._ours, self._read_to, self._is = {}, set(), 0, (there.st_dev, there.st_ino)
        file.seek(self._read_to)
        line = b"\n"
        for line in file:
            try:
                told = json.loads(line)
                checkpoint = Checkpoint.from_bytes(told["body"].encode())
                self._told[checkpoint.organisation] = _Told(int(told["id"]), checkpoint.at, told["body"])
                self._ours.discard(checkpoint.organisation)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # broken off by a crash: told again below
        file.seek(0, os.SEEK_END)
        if not line.endswith(b"\n"):
            file.write(b"\n")


def _lines(database: Database, organisation: str, after: int) -> list[tuple[seals.Signed, bytes]]:
    with database.read(organisation) as connection:
        signed = seals.checkpoints(connection, organisation, after=after, limit=LINES_AT_ONCE)
        public = seals.keys(connection, organisation)
    return [(each, json.dumps(outside(each, public)).encode() + b"\n") for each in signed]


def tell(engine: Engine, organisation: str) -> bool:
    """Write the last checkpoint to the outbox, for the organisation's own channels; False where one of its day was told.

    One a day of each key is enough: each speaks of everything before it, so none that came between is missed, and whoever
    keeps them need not sort a thousand messages a day. What has to be outside sooner goes to the seal file, which gets all.
    """
    with engine.database.read(organisation) as connection:
        signed = seals.last_checkpoint(connection, organisation)
        if signed is None:
            return False
        day = signed.at.astimezone(people.time_zone(connection, organisation)).date()
        name = f"sealed:{day}:{signed.key[:16]}"
        if outbox.is_written(connection, organisation, name):
            return False
        public = seals.keys(connection, organisation)
    root = json.loads(signed.body)["root"]
    notice = Notice(
        id=name,
        organisation=organisation,
        case=LOGBOOK,
        sequence=signed.id,
        reason="sealed",
        audience=(),
        how="direct",
        written_at=engine.clock.now(),
        about={
            "title": {
                "zh": f"{day}，{signed.size} 条，树根 {root[:16]}…", "en": f"{day}, {signed.size} events, root {root[:16]}…"
            },
            "checkpoint": outside(signed, public),
            "path": "/",
        },
    )  # fmt: skip
    with engine.database.write(organisation) as connection:
        alone(connection, organisation)
        if outbox.is_written(connection, organisation, name):  # by another node, since
            return False
        outbox.write(connection, [notice])
    return True


def outside(signed: seals.Signed, public: Mapping[str, str]) -> dict[str, object]:
    """A checkpoint as it is handed to others: with all that is needed to check its signature."""
    return {
        "id": signed.id,
        "body": signed.body,
        "signature": signed.signature,
        "public": public.get(signed.key, ""),
    }
