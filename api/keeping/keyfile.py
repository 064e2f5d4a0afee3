"""Every key of a data folder in one file under a passphrase, for whoever moves to another machine or keeps them for the day when
the folder is gone; and what no longer works without which of them.

A file is one JSON object: `kind`, `format`, and in base64 `salt`, `nonce` and `closed`. Closed is a JSON object, name → content in
base64, with AES-256-GCM, bound to kind and format, under a key that scrypt makes of the passphrase (RFC 7914; n 2^17, r 8, p 1).
"""

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from api.folder import Folder
from api.keys import KeyRing, SealKey, write_whole
from api.sealing import KeyGone, key_in, must_be_long_enough
from api.vault import CHANNELS_KEY, FolderVault
from engine.errors import FolderError, Text
from engine.store import feeds, labels, people, seals
from engine.store.database import Database
from notifications import accounts

KIND = "bihuan keys"
FORMAT = 1

# of scrypt: what OWASP asks for where somebody may try offline; 128 MB and half a second each time
_N, _R, _P = 1 << 17, 8, 1
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
_BOUND = f"{KIND} {FORMAT}".encode()

#: what a folder draws for itself, by the name of its file, and what no longer works without it
STOPS: Mapping[str, Text] = {
    CHANNELS_KEY: Text(
        "已设置的消息渠道打不开，须逐个重新设置", "the secrets of channels do not open and have to be given again, one by one"
    ),
    "links": Text("此前消息中的办理链接全部失效", "links in messages that were sent before open nothing"),
    "labels": Text(
        "墙上的部位标签照常可扫，但不能再次打印",
        "labels on the walls go on, but cannot be printed again",
    ),
    "feeds": Text(
        "日历订阅链接照常可用，但不能再次显示",
        "links to calendars go on, but cannot be shown again",
    ),
    "sign-in": Text(
        "此前用过的设备不再认得，猜密码的计数从头开始",
        "devices that were used before are not known again, and counting who guesses begins anew",
    ),
}  # fmt: skip
_SEAL = Text(
    "不能签署检查点：没有新的证明，直到带回密钥，或用 bihuan audit seal --new-key 启用新密钥",
    "no checkpoint is signed, so nothing new is provable, until the key is brought back or `bihuan audit seal --new-key` begins another",
)

#: the code of a folder's first visit has no point elsewhere; what has a dot is half written or set aside
_NAME = re.compile(r"(?!setup$)[a-z][a-z0-9-]{0,63}|seal/[a-z0-9][a-z0-9_-]{0,63}/[0-9a-f]{64}\.pem", re.ASCII)


@dataclass(frozen=True, slots=True)
class Missing:
    """A key that is not in the folder, and what does not work without it. `of` is the organisation whose key it is, or None."""

    name: str
    of: str | None
    stops: Text


def draw(folder: Folder) -> None:
    """Draw whatever the folder has not drawn yet: a key that is drawn later would not be in the file."""
    for name in STOPS:
        folder.key(name)


def keys_in(keys: Path) -> dict[str, bytes]:
    """name → content of every key that lies in this folder of keys: `channels`, `seal/school/ab12….pem`."""
    names = (path.relative_to(keys).as_posix() for path in sorted(keys.rglob("*")) if path.is_file())
    return {name: (keys / name).read_bytes() for name in names if _NAME.fullmatch(name)}


def closed(keys: Mapping[str, bytes], passphrase: str) -> bytes:
    """The file with these keys. Raises FolderError for a passphrase that is too short."""
    must_be_long_enough(passphrase)
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    plain = json.dumps({name: b64encode(content).decode() for name, content in keys.items()}).encode()
    told = {
        "kind": KIND, "format": FORMAT, "salt": _text(salt), "nonce": _text(nonce),
        "closed": _text(AESGCM(_key(passphrase, salt)).encrypt(nonce, plain, _BOUND)),
    }  # fmt: skip
    return json.dumps(told, indent=1).encode() + b"\n"


def opened(written: bytes, passphrase: str) -> dict[str, bytes]:
    """The keys in such a file. Raises FolderError for another passphrase, and for what is no such file."""
    try:
        told = json.loads(written)
        if told["kind"] != KIND:
            raise ValueError("of another kind")
        if told["format"] != FORMAT:
            raise FolderError(
                Text(
                    "密钥文件由更新的程序生成。没有导入任何内容：请先升级程序。",
                    "The file of keys was made by a newer program. Nothing was imported: upgrade the program first.",
                )
            )
        salt, nonce, content = (b64decode(told[name], validate=True) for name in ("salt", "nonce", "closed"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FolderError(
            Text(
                "该文件不是 bihuan keys export 导出的密钥文件。没有导入任何内容。",
                "This is no file of keys that `bihuan keys export` made. Nothing was imported.",
            )
        ) from error
    try:
        plain = AESGCM(_key(passphrase, salt)).decrypt(nonce, content, _BOUND)
        keys = {name: b64decode(said) for name, said in json.loads(plain).items()}
    except (InvalidTag, ValueError) as error:
        raise FolderError(
            Text(
                "口令不符，或密钥文件已损坏。没有导入任何内容。",
                "The passphrase is another one, or the file of keys is damaged. Nothing was imported.",
            )
        ) from error
    for name, content in keys.items():
        _must_be_a_key(name, content)
    return keys


def _must_be_a_key(name: str, content: bytes) -> None:
    """Whoever knows the passphrase may have made the file by other means: it names no other file of this machine."""
    try:
        right = bool(_NAME.fullmatch(name)) and (
            SealKey.from_pem(content).key == Path(name).stem if name.startswith("seal/") else len(content) == _KEY_BYTES
        )
    except ValueError:
        right = False
    if not right:
        raise FolderError(
            Text(
                f"密钥文件中的 {name!r} 不是密钥。没有导入任何内容。",
                f"{name!r} in the file of keys is no key. Nothing was imported.",
            )
        )


def different(keys: Path, given: Mapping[str, bytes]) -> list[str]:
    """Those of which another one lies in the folder."""
    there = keys_in(keys)
    return [name for name, content in given.items() if name in there and there[name] != content]


def put(keys: Path, given: Mapping[str, bytes], aside: str = "") -> list[str]:
    """Lay these keys into the folder, each whole and durable, readable for its user only; gives those that were not there.

    aside    what is added to the name of one that lies there otherwise: it is kept under that
    """
    there = keys_in(keys)
    new = [name for name, content in given.items() if there.get(name) != content]
    for name in new:
        if name in there:
            write_whole(keys / f"{name}.{aside}", there[name])
        write_whole(keys / name, given[name])
    return new


def missing(database: Database, keys: Path) -> list[Missing]:
    """What does not lie in this folder of keys though something of the database needs it. None is drawn."""
    ring = KeyRing(keys)
    found: list[Missing] = []
    channels = labelled = fed = False
    for organisation in _organisations(database):
        with database.read(organisation) as connection:
            current = seals.current_key(connection, organisation)
            channels = channels or bool(accounts.all_of(connection, organisation))
            labelled = labelled or bool(labels.all_of(connection, organisation))
            fed = fed or feeds.any_in_use(connection, organisation)
        try:
            if current is not None:
                key_in(ring, organisation, current)
        except KeyGone:
            found.append(Missing(f"seal/{organisation}/{current}.pem", organisation, _SEAL))
    used = {CHANNELS_KEY: channels, "labels": labelled, "feeds": fed}
    # of that for signing in nobody can tell whether it was ever drawn, and little stops without it
    needless = {*(name for name, is_used in used.items() if not is_used), "sign-in"}
    return found + [
        Missing(name, None, stops)
        for name, stops in STOPS.items()
        if name not in needless and not (keys / name).is_file()
    ]


def vault_of(keys: Path) -> FolderVault | None:
    """What opens the secrets of channels, where its key is there. None is drawn: it would open nothing."""
    kept = keys / CHANNELS_KEY
    with suppress(ValueError):  # no key of any length an algorithm knows
        return FolderVault(kept.read_bytes()) if kept.is_file() else None
    return None


def locked(database: Database, keys: Path) -> list[str]:
    """Channels whose secrets do not open with the keys in this folder, as `organisation/channel`."""
    vault, found = vault_of(keys), []
    for organisation in _organisations(database):
        with database.read(organisation) as connection:
            found += [f"{organisation}/{name}" for name in accounts.locked(connection, organisation, vault)]
    return found


def _organisations(database: Database) -> list[str]:
    with database.read_across() as connection:
        return [each.organisation for each in people.organisations(connection)]


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=_N, r=_R, p=_P).derive(passphrase.encode())


def _text(content: bytes) -> str:
    return b64encode(content).decode()
