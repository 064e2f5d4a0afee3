"""Passwords: a slow hash of each is kept (Argon2id), and what may be one is asked in words before it is."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from engine.errors import Text

SHORTEST = 10  # characters; NIST SP 800-63B asks for length and for no mixture of kinds
LONGEST = 200  # characters; a longer one only costs time
# no 0 O 1 l I, which a printed list confuses
READABLE = "abcdefghijkmnpqrstuvwxyz23456789"
FIRST_LENGTH = 12  # of a password we draw: 60 bits, and throttled guessing

#: RFC 9106's second recommended choice: 64 MiB, for machines that have to answer others meanwhile
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


def hashed(password: str) -> str:
    """What is kept of it, with a salt of its own."""
    return _hasher.hash(password)


def fits(password: str, kept: str) -> bool:
    """Whether this is the password the hash was made of. Takes its time on purpose."""
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def outdated(kept: str) -> bool:
    """Whether the hash was made with other numbers than today's, and should be made again when the password is at hand."""
    return _hasher.check_needs_rehash(kept)


def drawn() -> str:
    """A first password to hand out: four at a time, so that it can be read from paper and typed."""
    letters = [secrets.choice(READABLE) for _ in range(FIRST_LENGTH)]
    return "-".join("".join(letters[at : at + 4]) for at in range(0, FIRST_LENGTH, 4))


def fault_of(password: str, *known: str) -> Text | None:
    """What keeps these characters from being a password; None for nothing.

    known   what stands for the person anyway: his key, his staff number, his name
    """
    if len(password) < SHORTEST:
        return Text(f"密码至少 {SHORTEST} 个字符", f"a password has at least {SHORTEST} characters")
    if len(password) > LONGEST:
        return Text(f"密码至多 {LONGEST} 个字符", f"a password has at most {LONGEST} characters")
    plain = password.casefold()
    if len(set(plain)) < 4 or plain in _COMMON:
        return Text("密码过于简单，容易被猜到", "it is among the first that anybody would guess")
    if any(len(word) >= 3 and word.casefold() in plain for word in known):
        return Text("密码不能包含账号、工号或姓名", "it may not hold the account, the staff number or the name")
    return None


#: those of ten characters and more that lists of leaked passwords begin with
_COMMON = frozenset({
    "1234567890", "0123456789", "12345678910", "password12", "password123", "passw0rd123", "qwertyuiop", "1q2w3e4r5t",
    "1qaz2wsx3edc", "qwerty12345", "q1w2e3r4t5", "abc1234567", "abcd123456", "a123456789", "aa123456789", "woaini1314",
    "woaini520", "5201314520", "iloveyou123", "admin12345", "administrator", "admin123456", "bihuan1234", "zxcvbnm123",
    "9876543210", "0987654321", "1357924680", "147258369a", "asdfghjkl123", "qazwsxedc123", "1234567890a", "a1234567890",
})  # fmt: skip
