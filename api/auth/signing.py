"""Signing in and out, and choosing a password: the slow hash outside every transaction, each write short, guessing slowed."""

import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from api.auth import cookies
from api.auth.addresses import place_of
from api.auth.asking import Account
from api.bootstrap import Runtime
from api.passwords import Hasher, fault_of
from api.problems import sign_in_failed, too_many_tries
from api.throttle import LIMITS
from engine.errors import FieldFault, InvalidInput, Text
from engine.store import accounts, people
from engine.store.accounts import Password
from engine.store.database import speak_for

log = structlog.get_logger(__name__)

LONGEST_AGENT = 200  # characters of what a browser says of itself
CHANGING_PASSWORD = Text("更改密码", "Change the password")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody who signs in shows.

    place     the address he comes from
    device    what the browser keeps of an earlier signing in, if anything
    replaced  the session the browser shows still, if any: it ends
    """

    account: str
    password: str
    organisation: str | None = None
    place: str = ""
    agent: str = ""
    device: str | None = None
    replaced: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened: what its cookie holds and when it ends; and the cookie of the device."""

    organisation: str
    person: str
    secret: str
    expires_at: datetime
    must_change: bool
    device: str

    @property
    def csrf(self) -> str:
        return cookies.csrf_of(self.secret)


def sign_in(runtime: Runtime, attempt: Attempt) -> Opened:
    """Open a session for who shows the password of an account.

    1. who is meant, and whether guessing has to rest
    2. count the try as a failure, so that many at once cannot slip through together
    3. compare, against a hash that nobody's password fits where nobody is meant
    4. take the failure back, and open the session if the password is still what it was

    Raises    SignInFailed, whatever was wrong; TooManyTries; Busy
    """
    runtime.writer.must_be_in_place()
    with runtime.database.read_across() as connection:  # whose account it is, is what is asked
        found = accounts.account(connection, attempt.account, attempt.organisation)
        kept = None if found is None else accounts.password(connection, *found)
    counted = _counted(runtime, attempt, found)
    with _trying(runtime, counted) as hasher:
        right = hasher.fits(attempt.password, hasher.nobodys if kept is None else kept.hash)
        if not right and kept is not None and hasher.outdated(kept.hash):
            hasher.fits(attempt.password, hasher.nobodys)  # a quicker "no" would tell that there is such an account
        if not right or found is None or kept is None:
            runtime.strangers.count("wrong_password")
            raise sign_in_failed()
        renewed = hasher.hashed(attempt.password) if hasher.outdated(kept.hash) else None
    now = runtime.clock.now()
    with runtime.database.write_across() as connection:  # the session that ends may be one at another organisation
        counted.was_right(connection)
        if not _still(connection, found, kept):
            raise sign_in_failed()
        if renewed is not None and not accounts.replace_password(
            connection, *found, kept.hash, renewed, kept.changed_at, must_change=kept.must_change
        ):
            raise sign_in_failed()
        if attempt.replaced is not None:
            _end(runtime, connection, attempt.replaced, now)
        opened = _open(runtime, connection, found, attempt.agent, now, must_change=kept.must_change)
    log.info("signed_in", organisation=opened.organisation, person=opened.person)
    return opened


def sign_out(runtime: Runtime, account: Account) -> None:
    """End the session; a token is not a session, and stays."""
    if account.session is not None:
        with runtime.database.write(account.session.organisation) as connection:
            session = account.session
            accounts.end_session(connection, session.organisation, session.person, session.name, runtime.clock.now())


def change_password(runtime: Runtime, account: Account, old: str, new: str, agent: str) -> Opened | None:
    """Choose a password of one's own. Every session of the person ends; the one that asked goes on under another secret.

    Returns    the session it goes on as; None where a token asked
    Raises     InvalidInput naming `old` or `new`; TooManyTries; Busy
    """
    runtime.writer.must_be_in_place()
    whose = account.organisation, account.person
    with runtime.database.read(account.organisation) as connection:
        kept = accounts.password(connection, *whose)
        person = people.person(connection, *whose)
    assert person is not None  # he has just signed in
    fault = fault_of(new, person.person, person.staff_number or "", person.name)
    if fault is None and new == old:
        fault = Text("新密码与原密码相同", "it is the same as before")
    if fault is not None:
        raise _faulty(CHANGING_PASSWORD, "new", fault)
    # whoever holds somebody's open session may not find out his password by it
    source = cookies.keyed(runtime.sign_in_key, "change", *whose)
    counted = _Counted({source: "device"}, frozenset({source}))
    with _trying(runtime, counted) as hasher:
        if not hasher.fits(old, hasher.nobodys if kept is None else kept.hash) or kept is None:
            raise _faulty(CHANGING_PASSWORD, "old", Text("原密码不对", "this is not your password"))
        hashed = hasher.hashed(new)
    now = runtime.clock.now()
    with runtime.database.write(accounts.NOWHERE) as connection:
        counted.was_right(connection)
        speak_for(connection, account.organisation)
        # an administrator may be setting another one at this very moment: that one holds
        if not _still(connection, whose, kept) or not accounts.replace_password(
            connection, *whose, kept.hash, hashed, now, must_change=False
        ):
            raise _faulty(
                CHANGING_PASSWORD, "old", Text("密码刚被他人更改", "it was changed by somebody else just now")
            )
        accounts.end_sessions(connection, *whose, now)
        people.record_change(
            connection, account.organisation, f"person:{account.person}", "password_changed",
            {"person": account.person}, now,
        )  # fmt: skip
        if account.session is None:
            return None
        return _open(runtime, connection, whose, agent, now, must_change=False)


# --- sessions ------------------------------------------------------------------------------------------------------------


def _open(
    runtime: Runtime, connection: Connection, whose: tuple[str, str], agent: str, now: datetime, *, must_change: bool
) -> Opened:
    """A session under a new secret: one that somebody planted in the browser before is worth nothing afterwards."""
    secret, expires_at = cookies.drawn(), now + timedelta(hours=runtime.settings.session_hours)
    accounts.add_session(connection, *whose, secret, printable(agent, LONGEST_AGENT), now, expires_at)
    return Opened(*whose, secret, expires_at, must_change, _device_of(runtime.sign_in_key, whose))


def _end(runtime: Runtime, connection: Connection, secret: str, now: datetime) -> None:
    over = accounts.session(connection, secret, now, runtime.settings.session_idle)
    if over is not None:
        accounts.end_session(connection, over.organisation, over.person, over.name, now)


def _still(connection: Connection, whose: tuple[str, str], kept: Password) -> bool:
    """Whether it is still this person's password; hashing took a while, and meanwhile an administrator may have come."""
    person = people.person(connection, *whose)
    return person is not None and person.active and accounts.password(connection, *whose) == kept


def printable(said: str, longest: int) -> str:
    """What a stranger said of himself, fit to be shown: one line, and not too long."""
    return "".join(letter for letter in said if letter.isprintable())[:longest].strip()


# --- devices -------------------------------------------------------------------------------------------------------------


def _device_of(key: bytes, whose: tuple[str, str]) -> str:
    """What a browser keeps to show that this person signed in on it: nothing about him can be read from it."""
    drawn = cookies.drawn()
    return f"{drawn}.{cookies.keyed(key, 'device', drawn, *whose)}"


def _is_known(key: bytes, device: str | None, whose: tuple[str, str] | None) -> bool:
    drawn, _, signature = (device or "").partition(".")
    if whose is None or not signature:
        return False
    return hmac.compare_digest(signature.encode(), cookies.keyed(key, "device", drawn, *whose).encode())


# --- guessing ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counted:
    """Where a try is counted: source → which limit holds there. `cleared` are those that one success clears."""

    sources: Mapping[str, str]
    cleared: frozenset[str]

    def must_not_rest(self, connection: Connection, now: datetime) -> None:
        """Raises TooManyTries, with the longest rest there is."""
        found = accounts.tries(connection, self.sources)
        rest = max(LIMITS[limit].rest(found.get(source), now) for source, limit in self.sources.items())
        if rest > timedelta(0):
            raise too_many_tries(-(-rest // timedelta(seconds=1)))

    def count(self, connection: Connection, now: datetime) -> None:
        forgotten = {source: now - LIMITS[limit].forgotten_after for source, limit in self.sources.items()}
        accounts.count_tries(connection, forgotten, now)

    def was_right(self, connection: Connection) -> None:
        accounts.forget_tries(connection, self.cleared)
        accounts.take_tries_back(connection, set(self.sources) - self.cleared)


def _counted(runtime: Runtime, attempt: Attempt, found: tuple[str, str] | None) -> _Counted:
    key = runtime.sign_in_key
    organisation = found[0] if found else printable(attempt.organisation or "", 64)
    # whoever is meant is counted once, whether he is called by his key or by his staff number
    name = found[1] if found else attempt.account
    if _is_known(key, attempt.device, found):
        device = cookies.keyed(key, "from", str(attempt.device), organisation, name)
        return _Counted({device: "device"}, frozenset({device}))
    place = place_of(attempt.place)
    here = cookies.keyed(key, "name here", organisation, name, place)
    sources = {
        here: "name_here",
        cookies.keyed(key, "name", organisation, name): "name",
        cookies.keyed(key, "place", place): "place",
    }
    return _Counted(sources, frozenset({here}))


@contextmanager
def _trying(runtime: Runtime, counted: _Counted) -> Iterator[Hasher]:
    """A turn to compare a password, the try counted. Whoever has to rest costs no turn, no hash and no write."""
    with runtime.database.read(accounts.NOWHERE) as connection:
        counted.must_not_rest(connection, runtime.clock.now())
    with runtime.hashing.turn() as hasher:
        now = runtime.clock.now()
        with runtime.database.write(accounts.NOWHERE) as connection:
            accounts.try_alone(connection, counted.sources)
            counted.must_not_rest(connection, now)  # others may have tried since
            counted.count(connection, now)
        yield hasher


def _faulty(asked: Text, field: str, fault: Text) -> InvalidInput:
    remedy = Text("请改正后重新提交", "Correct it and send it again")
    return InvalidInput(asked=asked, obstacle=fault, remedy=remedy, fields=(FieldFault(field, fault),))
