"""Puts a pack together: the same case at the same instant gives the same bytes."""

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from api.bootstrap import Runtime
from api.evidence.store import FileStore
from api.keys import SealKey
from api.papers.pack import verify
from api.papers.pack.gathering import Gathered, NotSealed, gather, speaks_of
from api.papers.pack.reading import page_of
from api.sealing import HeldUnreadable, KeyGone, NotGrown, existing_key_of, sign
from engine import sealing
from engine.actor import Actor
from engine.audit import canonical
from engine.case import instant_text
from engine.errors import Busy, NotPossibleNow, Text
from engine.handle import note
from engine.sealing import Signer

HERE = Path(__file__).parent
CHUNK_BYTES = 1 << 20
FORMAT = 1
TRIES = 5  # somebody may act on the case between sealing and reading, and another node number that
# why a file that the events name is not in the pack
UNKNOWN, CLEARED, GONE, HELD_BACK = "unknown", "cleared", "gone", "held_back"
#: written as they are: they are small already
STORED = (".jpg", ".png", ".webp", ".pdf", ".docx", ".xlsx")


@dataclass(frozen=True, slots=True)
class Taken:
    """A pack that was put together, checked and noted.

    sha256    of the whole zip
    key       the fingerprint of the key it is signed with
    absent    how many files that the events name are not in it
    """

    sha256: str
    key: str
    events: int
    files: int
    absent: int


def take(runtime: Runtime, organisation: str, number: str, by: Actor, to: BinaryIO, *, with_names: bool) -> Taken:
    """Write the pack of a case to `to`, an empty file that can be read again; when this returns, that it was taken is on
    record.

    1. its events get their numbers, and a checkpoint that speaks of all of them, signed with the present key
    2. what is on record is gathered, of one instant, and written
    3. it is checked as whoever receives it will
    4. the logbook says who took it

    by            who takes it, and may see the case
    with_names    whether people are called by name besides their post
    Raises        UnknownCase; NotPossibleNow where there is no key to sign with, or the records do not hold; Busy
    """
    signer = _signer(runtime, organisation, number)
    gathered = _sealed(runtime, organisation, number, signer, with_names=with_names)
    absent = write(gathered, runtime.files, signer, to)
    _must_hold(number, to, signer.key)
    sha256 = _hash_of(to)
    taken = Taken(sha256, signer.key, len(gathered.records), len(gathered.files) - absent, absent)
    note(runtime.engine, by, "proved", {"case": number, "events": taken.events, "files": taken.files, "sha256": sha256})
    return taken


def _sealed(runtime: Runtime, organisation: str, number: str, signer: Signer, *, with_names: bool) -> Gathered:
    """What is on record of the case, and the checkpoint over it. Raises UnknownCase, Busy."""
    database, catalog = runtime.database, runtime.engine.catalog
    for _ in range(TRIES):
        sealing.number(database, organisation)
        with database.read(organisation) as connection:
            sealed = speaks_of(connection, organisation, number, signer.key)
        if not sealed:
            try:
                sign(runtime.engine, runtime.keys, organisation, signer)
            except (NotGrown, HeldUnreadable) as error:
                raise _not_signed(number) from error
        with database.read(organisation) as connection, suppress(NotSealed):
            return gather(
                connection, catalog, organisation, number, runtime.clock.now(), key=signer.key, with_names=with_names
            )
    raise Busy(
        asked=_asked(number),
        obstacle=Text("此项正在不断办理", "the case is being acted on all the while"),
        remedy=Text("请稍后再试", "Ask again in a moment"),
    )


def _not_signed(number: str) -> NotPossibleNow:
    """Where the trail was altered, or what lies beside the key: nothing is proved over that."""
    return NotPossibleNow(
        asked=_asked(number),
        obstacle=Text(
            "审计轨迹与密钥旁留存的检查点不符，或该检查点无法读取",
            "the trail does not grow from the checkpoint beside the key, or that cannot be read",
        ),
        remedy=Text(
            "请系统管理员运行 bihuan audit verify 查明", "Have the administrator find out by `bihuan audit verify`"
        ),
    )


def _signer(runtime: Runtime, organisation: str, number: str) -> SealKey:
    """The key the organisation seals with now. Raises NotPossibleNow where there is none, or it lies elsewhere."""
    why = Text("本单位还没有签名密钥", "the organisation has no key to sign with yet")
    try:
        found = existing_key_of(runtime.database, runtime.keys, organisation)
    except KeyGone as gone:
        found, key = None, f"{gone.key[:16]}…"
        why = Text(f"签名密钥 {key} 不在此数据目录中", f"the key {key} does not lie in this data folder")
    if found is None:
        remedy = Text(
            "请系统管理员运行 bihuan audit seal，或放回密钥", "Run `bihuan audit seal`, or bring the key back"
        )
        raise NotPossibleNow(asked=_asked(number), obstacle=why, remedy=remedy)
    return found


def write(gathered: Gathered, store: FileStore, signer: Signer, to: BinaryIO) -> int:
    """The pack as a zip. Gives how many files that the events name are not in it."""
    absent = {sha256: reason for sha256 in gathered.files if (reason := _why_absent(gathered, store, sha256))}
    with zipfile.ZipFile(to, "w") as pack:
        packing = _Packing(pack, gathered.made_at.astimezone(gathered.zone))
        packing.add("README.txt", readme(gathered))
        packing.add("index.html", page_of(gathered, absent).encode())
        packing.add(verify.EVENTS, b"".join(_lines(gathered)))
        packing.add(verify.CHECKPOINT, _checkpoint(gathered))
        for sha256 in gathered.files:
            if sha256 not in absent:
                packing.copy(gathered.name_of(sha256), store.path_of(gathered.case.organisation, sha256))
        packing.add("verify.py", verifier())
        manifest = canonical(
            {
                "format": FORMAT,
                "kind": "bihuan evidence pack",
                "organisation": gathered.case.organisation,
                "case": gathered.case.number,
                "made_at": instant_text(gathered.made_at),
                "key": signer.key,
                "files": packing.listed,
                "absent": absent,
            }
        )
        packing.add(verify.MANIFEST, manifest)
        signature = {"format": FORMAT, "public": gathered.public, "signature": signer.sign(manifest).hex()}
        packing.add(verify.SIGNATURE, canonical(signature))
    return len(absent)


class _Packing:
    """Writes one file after another, all as of one instant, and remembers what they were."""

    def __init__(self, pack: zipfile.ZipFile, at: datetime) -> None:
        self._pack = pack
        self._at = at
        self.listed: dict[str, Any] = {}

    def add(self, name: str, content: bytes) -> None:
        self._write(name, lambda: iter([content]))

    def copy(self, name: str, path: Path) -> None:
        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(CHUNK_BYTES):
                    yield piece

        self._write(name, pieces)

    def _write(self, name: str, pieces: Callable[[], Iterator[bytes]]) -> None:
        at = self._at
        entry = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
        entry.compress_type = zipfile.ZIP_STORED if name.endswith(STORED) else zipfile.ZIP_DEFLATED
        entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same wherever it is made
        digest, length = hashlib.sha256(), 0
        with self._pack.open(entry, "w") as file:
            for piece in pieces():
                digest.update(piece)
                length += len(piece)
                file.write(piece)
        self.listed[name] = {"sha256": digest.hexdigest(), "bytes": length}


def _lines(gathered: Gathered) -> Iterator[bytes]:
    """An event a line: its envelope as it was hashed, what it was made of, where it is in the tree."""
    for record, proof in zip(gathered.records, gathered.proofs, strict=True):
        line = {
            "position": record.position,
            "envelope": record.envelope,
            "disclosures": record.entries,
            "proof": [each.hex() for each in proof],
        }
        yield canonical(line) + b"\n"


def _checkpoint(gathered: Gathered) -> bytes:
    signed = gathered.checkpoint
    return canonical({"body": signed.body, "public": gathered.public, "signature": signed.signature})


def _why_absent(gathered: Gathered, store: FileStore, sha256: str) -> str | None:
    record = gathered.files[sha256]
    if record is None:
        return UNKNOWN
    if gathered.workflow.holds_back(gathered.case):  # a pack goes to anybody
        return HELD_BACK
    if store.path_of(gathered.case.organisation, sha256).is_file():
        return None
    return GONE if record.erased is None else CLEARED


def _must_hold(number: str, to: BinaryIO, key: str) -> None:
    """Raises NotPossibleNow for a pack that nobody could check: the records it was made of do not hold."""
    to.seek(0)
    found = verify.check(verify.Pack(to), key)
    if found.faults:
        zh = "；".join(fault.zh.rstrip("。") for fault in found.faults[:3])
        en = "; ".join(fault.en.rstrip(".") for fault in found.faults[:3])
        raise NotPossibleNow(
            asked=_asked(number),
            obstacle=Text(f"数据库中的记录通不过核验：{zh}", f"what the database holds does not pass the check: {en}"),
            remedy=Text("请运行 bihuan audit verify 查明", "Find out what happened with `bihuan audit verify`"),
        )


def _hash_of(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(CHUNK_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _asked(number: str) -> Text:
    return Text(f"出具 {number} 的证据包", f"Prove {number}")


@cache
def verifier() -> bytes:
    """The program that checks packs, as it is put into each."""
    return (HERE / "verify.py").read_bytes()


def verifier_hash() -> str:
    """Hex SHA-256 of that program: to be told by another way than a pack."""
    return hashlib.sha256(verifier()).hexdigest()


def readme(gathered: Gathered) -> bytes:
    """How to check the pack, in both languages."""
    said: Mapping[str, str] = {
        "number": gathered.case.number,
        "organisation": gathered.organisation.name.zh,
        "organisation_en": gathered.organisation.name.en,
    }
    return (HERE / "README.txt").read_text(encoding="utf-8").format(**said).encode()
