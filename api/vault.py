"""What lies in the database and must not be read by whoever has the database alone: closed with a key of the data folder."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from notifications.accounts import VaultError

CHANNELS_KEY = "channels"  # the name of the folder's key that closes the secrets of channels
NONCE_BYTES = 12  # NIST SP 800-38D: drawn anew each time, enough for some 2**32 secrets under one key


class FolderVault:
    """`notifications.accounts.Vault` with AES-256-GCM; what it closes is bound to where it lies.

    key   the folder's key, 32 bytes
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, of: str, text: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), of.encode())

    def open(self, of: str, closed: bytes) -> str:
        try:
            return self._cipher.decrypt(closed[:NONCE_BYTES], closed[NONCE_BYTES:], of.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise VaultError(of) from error
