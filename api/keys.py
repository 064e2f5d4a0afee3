"""The keys that checkpoints are signed with (Ed25519): drawn in the data folder, kept for its user only, never in the database
and never part of an ordinary backup.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from engine.audit import Checkpoint, fingerprint


@dataclass(frozen=True, slots=True)
class SealKey:
    """Signs for one organisation (`engine.sealing.Signer`)."""

    _private: Ed25519PrivateKey

    @classmethod
    def drawn(cls) -> "SealKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, written: bytes, passphrase: bytes | None = None) -> "SealKey":
        """Raises ValueError for what is no such key, or under another passphrase."""
        try:
            private = load_pem_private_key(written, passphrase)
        except TypeError as error:  # a passphrase where there is none, or none where there is one
            raise ValueError(str(error)) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("this is no Ed25519 key")
        return cls(private)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """PKCS #8, under a passphrase wherever it leaves the folder."""
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            encryption = BestAvailableEncryption(passphrase)
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    @property
    def public(self) -> bytes:
        """Its 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    @property
    def key(self) -> str:
        return fingerprint(self.public)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint as it lies outside the database, its signature found right. `told` is all that is needed to check it again."""

    checkpoint: Checkpoint
    told: Mapping[str, Any]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Held":
        """From `id`, `body`, `signature` and `public`. Raises ValueError for what nobody signed, or is none."""
        try:
            body, public = str(told["body"]).encode(), bytes.fromhex(told["public"])
            checkpoint, signature = Checkpoint.from_bytes(body), bytes.fromhex(told["signature"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("this is no checkpoint") from error
        if fingerprint(public) != checkpoint.key or not is_signed(public, signature, body):
            raise ValueError("its signature does not hold")
        return cls(checkpoint, told)


class KeyRing:
    """The keys of a data folder, a file each: `keys/seal/{organisation}/{fingerprint}.pem`; and beside them, in `held.json`, the
    last checkpoint that was signed with them here. Who has the database alone reaches neither.
    """

    def __init__(self, keys: Path) -> None:
        self._place = keys / "seal"

    def find(self, organisation: str, key: str) -> SealKey | None:
        """The key of this fingerprint, if it lies here."""
        kept = self._file(organisation, key)
        return SealKey.from_pem(kept.read_bytes()) if kept.is_file() else None

    def keep(self, organisation: str, key: SealKey) -> None:
        """Whole or not at all, and durable: what it signs is nobody else's to sign."""
        write_whole(self._file(organisation, key.key), key.to_pem())

    def drop(self, organisation: str, key: SealKey) -> None:
        """Forget one that was drawn and never began: somebody else's began at the same moment."""
        self._file(organisation, key.key).unlink(missing_ok=True)

    def held(self, organisation: str) -> Held | None:
        """The last checkpoint that was signed here. Raises ValueError where what lies there is none of this organisation."""
        try:
            written = self._held(organisation).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        told = json.loads(written)
        held = Held.read(told if isinstance(told, dict) else {})
        if held.checkpoint.organisation != organisation:
            raise ValueError("it is of another organisation")
        return held

    def hold(self, organisation: str, told: Mapping[str, Any]) -> None:
        """Keep a checkpoint that is committed, whole and durable, in the place of the one before. Raises OSError."""
        write_whole(self._held(organisation), json.dumps(dict(told)).encode() + b"\n")

    def let_go(self, organisation: str) -> None:
        """Hold nothing of it: the next one that is signed will be."""
        self._held(organisation).unlink(missing_ok=True)

    def has_any(self, organisation: str) -> bool:
        """Whether any key of it lies here."""
        return any((self._place / organisation).glob("*.pem"))

    def _held(self, organisation: str) -> Path:
        return self._place / organisation / "held.json"

    def _file(self, organisation: str, key: str) -> Path:
        return self._place / organisation / f"{key}.pem"


def write_whole(kept: Path, content: bytes) -> None:
    """Into the place of what lies there, whole and durable, readable for its user only. Raises OSError."""
    for folder in reversed(
        (kept.parent, *kept.parent.parents)
    ):  # `parents=True` would leave those between open to others
        folder.mkdir(mode=0o700, exist_ok=True)
    beside = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(kept)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    if os.name != "nt":  # where a folder cannot be opened, and need not be
        opened = os.open(kept.parent, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether whoever has the other half of this key signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):  # a key or a signature of another length is none
        return False
    return True
