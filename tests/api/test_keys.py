import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.keys import KeyRing, SealKey
from engine.audit import fingerprint


def test_what_a_key_signs_its_public_key_verifies() -> None:
    key = SealKey.drawn()
    Ed25519PublicKey.from_public_bytes(key.public).verify(key.sign(b"a checkpoint"), b"a checkpoint")
    assert key.key == fingerprint(key.public)


def test_a_key_is_found_again_by_its_fingerprint_and_readable_for_its_user_only(tmp_path: Path) -> None:
    ring, key = KeyRing(tmp_path), SealKey.drawn()
    ring.keep("no1", key)
    found = ring.find("no1", key.key)
    assert found is not None and found.public == key.public
    [kept] = tmp_path.rglob("*.pem")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert ring.find("no2", key.key) is None
    assert ring.find("no1", "0" * 64) is None


def test_a_key_that_leaves_the_folder_needs_its_passphrase() -> None:
    key = SealKey.drawn()
    away = key.to_pem(b"a passphrase")
    assert SealKey.from_pem(away, b"a passphrase").public == key.public
    for wrong in (None, b"another"):
        with pytest.raises(ValueError):  # noqa: PT011  # its words are the library's
            SealKey.from_pem(away, wrong)
    with pytest.raises(ValueError):  # noqa: PT011  # the same
        SealKey.from_pem(b"no key at all")
