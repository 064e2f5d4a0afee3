"""Passwords: a slow hash of each is kept (Argon2id), and what may be one is asked in words before it is."""

import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from engine.errors import Busy, Text

SHORTEST = 10  # characters; NIST SP 800-63B asks for length and for no mixture of kinds
LONGEST = 200  # characters; a longer one only costs time
# no 0 O 1 l I, which a printed list confuses
READABLE = "abcdefghijkmnpqrstuvwxyz23456789"
FIRST_LENGTH = 12  # of a password we draw: 60 bits, and throttled guessing
AT_ONCE = 4  # hashes under way in a serving process, each of 64 MiB: a flood of sign-ins may not take all the memory
IN_LINE = 16  # who wait for their turn, each holding a thread: with those at work half of the forty
WAIT_SECONDS = 5.0  # for a turn; a hash takes a tenth of a second

#: RFC 9106's second recommended choice: 64 MiB, for machines that have to answer others meanwhile
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


#: the least that OWASP asks for. It is for what we drew: sixty bits are beyond guessing however quick each guess is, and a whole
#: school's first passwords are hashed one after the other while somebody waits
_hasher_of_drawn = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str) -> str:
    """What is kept of it, with a salt of its own."""
    return _hasher.hash(password)


def hashed_as_drawn(password: str) -> str:
    """What is kept of one that was `drawn`. It counts as `outdated`, and is made again in full where its owner signs in."""
    return _hasher_of_drawn.hash(password)


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


class Hasher:
    """What is done with a password during one's turn."""

    def __init__(self, numbers: PasswordHasher) -> None:
        self._numbers = numbers
        #: a hash nobody's password fits: checking it takes as long as checking somebody's
        self.nobodys = numbers.hash(secrets.token_urlsafe())

    def hashed(self, password: str) -> str:
        return self._numbers.hash(password)

    def fits(self, password: str, kept: str) -> bool:
        try:
            return self._numbers.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, kept: str) -> bool:
        return self._numbers.check_needs_rehash(kept)


class Hashing:
    """Hashes of a serving process: a few at a time, a short line behind them, and whoever comes then is told to come again.

    hasher   what hashes; by default with today's numbers
    """

    def __init__(self, hasher: Hasher | None = None, *, at_once: int = AT_ONCE, in_line: int = IN_LINE) -> None:
        self._hasher = hasher
        self._making = threading.Lock()
        self._room = threading.BoundedSemaphore(at_once + in_line)
        self._at_once = at_once
        self._turns = threading.BoundedSemaphore(at_once)

    def each_as_drawn(self, passwords: Sequence[str]) -> Iterator[str]:
        """`hashed_as_drawn` of each, in their order: on every core there is, and each in a turn of its own, of which one is left
        for who signs in meanwhile. Raises Busy where nobody gets a turn any more.
        """
        with ThreadPoolExecutor(min(_cores(), max(1, self._at_once - 1))) as beside:
            yield from beside.map(self._as_drawn, passwords)

    def _as_drawn(self, password: str) -> str:
        if not self._turns.acquire(timeout=WAIT_SECONDS):  # holds no place in the line: that is counted in people
            raise _too_many_at_once()
        try:
            return hashed_as_drawn(password)
        finally:
            self._turns.release()

    @contextmanager
    def turn(self) -> Iterator[Hasher]:
        """One's turn to hash. Raises Busy where too many wait already; never to be asked for inside a transaction."""
        if not self._room.acquire(blocking=False):
            raise _too_many_at_once()
        try:
            if not self._turns.acquire(timeout=WAIT_SECONDS):
                raise _too_many_at_once()
            try:
                yield self._made()
            finally:
                self._turns.release()
        finally:
            self._room.release()

    def _made(self) -> Hasher:
        """Made when it is first needed: `nobodys` costs a hash, and most commands hash nothing."""
        with self._making:
            if self._hasher is None:
                self._hasher = Hasher(_hasher)
            return self._hasher


def _cores() -> int:
    """How many this process may run on: hashing lets go of the interpreter's lock."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _too_many_at_once() -> Busy:
    return Busy(
        asked=Text("核对密码", "Check a password"),
        obstacle=Text("此刻登录的人太多", "too many people are signing in at this moment"),
        remedy=Text("请过几秒再试", "Try again in a few seconds"),
    )


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
