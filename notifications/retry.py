"""When to try again, and when to stop. Pure, and the same for the same message: a replay waits exactly as long."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifications.answers import GAVE_UP, REFUSED, WAITED, as_kept

SCHEDULE = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60)
)  # a hiccup is over in minutes, a broken machine in hours; the last step repeats
MAX_ATTEMPTS = 12  # about five days by the schedule: longer than a weekend, shorter than a school break
#: how long that is: as long is waited for an account that takes nothing, though no message is tried by the schedule meanwhile
IN_VAIN = sum((SCHEDULE[min(tried, len(SCHEDULE)) - 1] for tried in range(1, MAX_ATTEMPTS)), timedelta())
LONGEST_WAIT = timedelta(hours=24)  # no answer may silence a channel for longer
JITTER = 0.1  # share of the wait, either way: a thousand messages must not come back in the same second


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Wait this long, then try once more."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class WaitOn:
    """It was no try: the account takes nothing just now."""

    until: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A dead letter; `why` joins the last answer in the record."""

    why: str


def after_failure(
    key: str, attempts: int, *, permanent: bool, retry_after: timedelta | None = None, max_attempts: int = MAX_ATTEMPTS
) -> TryAgain | GiveUp:
    """What follows a failed try.

    key        the message's own; decides its jitter
    attempts   failed tries so far, this one included; from 1
    """
    if permanent:
        return GiveUp(as_kept(REFUSED))
    if attempts >= max_attempts:
        return GiveUp(as_kept(GAVE_UP, tries=attempts))
    wait = SCHEDULE[min(attempts, len(SCHEDULE)) - 1] * (1 + JITTER * _spread(key, attempts))
    if retry_after is not None:
        wait = max(wait, retry_after)
    return TryAgain(min(wait, LONGEST_WAIT))


def after_waiting(waited: timedelta, taken_nothing: timedelta) -> GiveUp | None:
    """What follows for a message whose account takes nothing, or says itself that it is out of order; None while it waits on.

    waited          since it was planned
    taken_nothing   how long the account has been so
    """
    enough = min(waited, taken_nothing) >= IN_VAIN
    return GiveUp(as_kept(WAITED, days=min(waited, taken_nothing).days)) if enough else None


def _spread(key: str, attempts: int) -> float:
    """A number in [-1, 1) that belongs to this try of this message."""
    digest = hashlib.sha256(f"{key}:{attempts}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**31 - 1
