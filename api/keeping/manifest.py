"""A backup's table of contents: what is in it, by hash, and how far the records went when it was made.

A backup is one zip: `manifest.json`; `database/bihuan.db` (SQLite) or `database/bihuan.dump` (PostgreSQL's custom format);
`files/{organisation}/{sha256}`. Keys are not in it.
"""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from api import migrations
from api.evidence.store import FOLDER_NAME, SHA256
from engine.errors import FolderError, Text

FORMAT = 1
KIND = "bihuan backup"
MANIFEST = "manifest.json"
CHUNK = 1 << 20  # bytes read at once
LARGEST_MANIFEST = 1 << 30  # a million files; what claims to be larger is none

DatabaseKind = Literal["sqlite", "postgresql"]
DATABASES: Mapping[DatabaseKind, str] = {"sqlite": "database/bihuan.db", "postgresql": "database/bihuan.dump"}


@dataclass(frozen=True, slots=True)
class Member:
    """One part of the backup: hex SHA-256 and bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint as whoever holds it outside has it: its bytes, the signature and the public key in hex."""

    body: str
    signature: str
    public: str


@dataclass(frozen=True, slots=True)
class Records:
    """How far the records of one organisation go.

    trail        events with a number; None in a database older than the trail
    waiting      events without one
    checkpoint   the last one
    """

    organisation: str
    events: int
    trail: int | None
    waiting: int
    checkpoint: Seal | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """made_at        RFC 3339
    last_instant   where the clock of a simulated folder stood, RFC 3339
    missing        pictures and documents of cases whose bytes were gone when the backup was made
    damaged        those whose bytes were not what their name says; they are in the backup as they were found
    """

    made_at: str
    revision: str
    database: DatabaseKind
    simulated: bool
    last_instant: str | None
    organisations: Sequence[Records]
    members: Mapping[str, Member]
    missing: Sequence[str] = ()
    damaged: Sequence[str] = ()

    @property
    def files(self) -> list[str]:
        return [name for name in self.members if name.startswith("files/")]

    def to_bytes(self) -> bytes:
        return json.dumps({"kind": KIND, "format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_bytes(cls, written: bytes) -> Self:
        """Raises ValueError for anything that is no manifest of a format known here."""
        said = json.loads(written)
        try:
            if said.pop("kind") != KIND:
                raise ValueError("this is no backup")
            if (found := said.pop("format")) != FORMAT:
                raise UnknownFormat(found)
            organisations = [
                Records(**{**each, "checkpoint": each["checkpoint"] and Seal(**each["checkpoint"])})
                for each in said.pop("organisations")
            ]
            members = {name: Member(**each) for name, each in said.pop("members").items()}
            manifest = cls(organisations=organisations, members=members, **said)
            if not _is_well_typed(manifest):
                raise ValueError("this is no manifest")
            datetime.fromisoformat(manifest.made_at)
            datetime.fromisoformat(manifest.last_instant or manifest.made_at)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("this is no manifest") from error
        if DATABASES.get(manifest.database) not in manifest.members or not all(map(_is_a_place, manifest.members)):
            raise ValueError("this is no manifest")
        return manifest


def _is_well_typed(manifest: Manifest) -> bool:
    """Whether everything is of the kind it should be: somebody may have written anything there."""
    words: list[object] = [manifest.made_at, manifest.revision, manifest.database, *manifest.missing, *manifest.damaged]
    words += [manifest.last_instant] if manifest.last_instant is not None else []
    words += [each.organisation for each in manifest.organisations]
    words += [member.sha256 for member in manifest.members.values()]
    seals = [each.checkpoint for each in manifest.organisations if each.checkpoint is not None]
    words += [word for seal in seals for word in (seal.body, seal.signature, seal.public)]
    numbers: list[object] = [member.size for member in manifest.members.values()]
    for each in manifest.organisations:
        numbers += [each.events, each.waiting, *([] if each.trail is None else [each.trail])]
    return (
        all(isinstance(word, str) for word in words)
        and all(type(number) is int for number in numbers)
        and isinstance(manifest.simulated, bool)
    )


class UnknownFormat(ValueError):
    """A backup of another program, most likely a newer one."""


def _is_a_place(name: str) -> bool:
    """Nothing leads out of the folder it is unpacked into."""
    if name in DATABASES.values():
        return True
    found = re.fullmatch(r"files/([^/]+)/([^/]+)", name)
    return bool(found and FOLDER_NAME.fullmatch(found[1]) and SHA256.fullmatch(found[2]))


def read_manifest(file: Path) -> Manifest:
    """Raises FolderError for what is no backup, is damaged, or of a newer program."""
    try:
        with zipfile.ZipFile(file) as pack:
            info = pack.getinfo(MANIFEST)
            if info.file_size > LARGEST_MANIFEST:
                raise ValueError("this is no manifest")
            manifest = Manifest.from_bytes(pack.read(info))
    except UnknownFormat as error:
        raise _newer(file, f"format {error}") from error
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise damaged(file, Text("读不出备份的清单", "its table of contents cannot be read")) from error
    if manifest.revision > migrations.newest_revision():
        raise _newer(file, f"revision {manifest.revision}")
    return manifest


def unpack(file: Path, manifest: Manifest, into: Callable[[str], BinaryIO | None], told: Callable[[int], None]) -> None:
    """Read every part and compare it with the manifest.

    into     gives what a part is written to, which is closed afterwards; None to look at it only
    told     told of bytes that were read
    Raises   FolderError for the first that differs, is missing, or is not told of
    """
    try:
        with zipfile.ZipFile(file) as pack:
            strange = set(pack.namelist()) ^ {MANIFEST, *manifest.members}
            if strange or len(pack.namelist()) != len(manifest.members) + 1:
                raise _differs(file, min(strange, default=MANIFEST))
            for name, member in manifest.members.items():
                digest, size, target = hashlib.sha256(), 0, into(name)
                try:
                    for chunk in _read(pack, name):
                        digest.update(chunk)
                        size += len(chunk)
                        if target is not None and size <= member.size:
                            target.write(chunk)
                        told(len(chunk))
                finally:
                    if target is not None:
                        target.close()
                if (digest.hexdigest(), size) != (member.sha256, member.size):
                    raise _differs(file, name)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise damaged(file, Text("备份文件读不出来", "it cannot be read")) from error


def _read(pack: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        with pack.open(name) as part:
            while chunk := part.read(CHUNK):
                yield chunk
    except zlib.error as error:
        raise zipfile.BadZipFile(str(error)) from error


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _differs(file: Path, name: str) -> FolderError:
    return damaged(file, Text(f"其中 {name} 与清单不符", f"{name} in it is not what its table of contents says"))


def damaged(file: Path, how: Text) -> FolderError:
    return FolderError(
        Text(
            f"备份 {file} 已损坏或不是闭环的备份：{how.zh}。没有恢复任何内容，请换一个备份。",
            f"The backup {file} is damaged, or none of Bihuan: {how.en}. Nothing was restored; take another one.",
        )
    )


def _newer(file: Path, what: str) -> FolderError:
    return FolderError(
        Text(
            f"备份 {file}（{what}）由更新的程序生成，本程序（revision {migrations.newest_revision()}）不能恢复。请先升级程序。",
            f"The backup {file} ({what}) was made by a newer program than this one "
            f"(revision {migrations.newest_revision()}). Upgrade the program first.",
        )
    )


def as_told(manifest: Manifest) -> dict[str, Any]:
    """What a script wants to know of a backup."""
    return {
        "made_at": manifest.made_at, "revision": manifest.revision, "database": manifest.database,
        "simulated": manifest.simulated, "files": len(manifest.files), "missing": list(manifest.missing),
        "damaged": list(manifest.damaged),
        "organisations": [asdict(each) for each in manifest.organisations],
    }  # fmt: skip
