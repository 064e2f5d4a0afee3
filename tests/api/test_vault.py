"""What the vault closes opens where it lay, under the same key, and nowhere else."""

from collections.abc import Callable

import pytest

from api.vault import FolderVault
from notifications.accounts import VaultError

KEY = bytes(range(32))


def test_what_was_closed_opens_again_and_does_not_show_what_it_is() -> None:
    vault = FolderVault(KEY)
    closed = vault.close("channel:school:robot", "机器人的密钥")
    assert vault.open("channel:school:robot", closed) == "机器人的密钥"
    assert "密钥".encode() not in closed
    assert vault.close("channel:school:robot", "机器人的密钥") != closed  # two of the same cannot be told to be so


@pytest.mark.parametrize(
    ("key", "of", "harm"),
    [
        (bytes(32), "channel:school:robot", lambda closed: closed),
        (KEY, "channel:school:other", lambda closed: closed),
        (KEY, "channel:school:robot", lambda closed: closed[:-1] + bytes([closed[-1] ^ 1])),
        (KEY, "channel:school:robot", lambda closed: closed[:5]),
        (KEY, "channel:school:robot", lambda _: b""),
    ],
    ids=["another key", "another row", "a byte changed", "cut off", "nothing"],
)  # fmt: skip
def test_nothing_else_opens(key: bytes, of: str, harm: Callable[[bytes], bytes]) -> None:
    closed = FolderVault(KEY).close("channel:school:robot", "secret")
    with pytest.raises(VaultError):
        FolderVault(key).open(of, harm(closed))
