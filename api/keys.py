"""The keys that checkpoints are signed with (Ed25519): drawn in the data folder, kept for its user only, never in the database
and never part of an ordinary backup.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

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

from engine.audit import fingerprint


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


class KeyRing:
    """The keys of a data folder, a file each: `keys/seal/{organisation}/{fingerprint}.pem`."""

    def __init__(self, keys: Path) -> None:
        self._place = keys / "seal"

    def find(self, organisation: str, key: str) -> SealKey | None:
        """The key of this fingerprint, if it lies here."""
        kept = self._file(organisation, key)
        return SealKey.from_pem(kept.read_bytes()) if kept.is_file() else None

    def keep(self, organisation: str, key: SealKey) -> None:
        """Whole or not at all, and durable: what it signs is nobody else's to sign."""
        kept = self._file(organisation, key.key)
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.to_pem())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(kept)

    def drop(self, organisation: str, key: SealKey) -> None:
        """Forget one that was drawn and never began: somebody else's began at the same moment."""
        self._file(organisation, key.key).unlink(missing_ok=True)

    def _file(self, organisation: str, key: str) -> Path:
        return self._place / organisation / f"{key}.pem"


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether whoever has the other half of this key signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):  # a key or a signature of another length is none
        return False
    return True
