"""What a worker does before it sends: notices become deliveries, and deliveries whose time has come become messages.

    Planner             planning.py     a round, in this order:
    ├── address_all     addressing.py   notices of commands, each to whomever it means now
    ├── Days            days.py         an organisation's working day begins
    ├── look_again      again.py        what waited for the hours in which it may be sent is looked at once more
    └── put_digests_…   digests.py      whatever waits for a reader becomes his one message of the day
        └── still…      loose.py        lines that are in no message yet: whether each still holds
    another_way         another_way.py  what did not arrive by one way goes by the next
    note_out_of_reach   unreached.py    who cannot be reached outside
    Asking              asking.py       what is asked about an organisation and its people
    PostOffice          office.py       what planning and sending have in common

Who is told, how and when, is decided in `routing`. Everything here happens in short write transactions, and doing it twice
changes nothing.
"""

from collections.abc import Callable
from functools import partial

from notifications import deliveries
from notifications.addressing import address_all, to_be_addressed
from notifications.again import look_again
from notifications.days import Days
from notifications.digests import put_digests_together
from notifications.office import PostOffice, RoundResult


class Planner:
    """One at a time in a process; any number of processes may, on one database."""

    def __init__(self, office: PostOffice, stopping: Callable[[], bool]) -> None:
        self._office = office
        self._stopping = stopping
        self._days = Days(office, stopping)

    def run(self) -> RoundResult:
        """A round, as far as there is time. Where nothing waits it is one look: every lane comes by every few seconds, and who
        begins to write keeps others from it.
        """
        office, stopping, days = self._office, self._stopping, self._days
        result = RoundResult()
        days.waiting.clear()
        if not self._something_waits():
            result = days.begin()
            if not result.planned:
                return result
        for part in (
            partial(address_all, office, stopping),
            days.begin,
            partial(look_again, office, stopping),
            partial(put_digests_together, office, stopping, days.waiting),
        ):
            if not stopping():
                result += part()
        return result

    def _something_waits(self) -> bool:
        """Whether any part of a round but the days has something to do."""
        office, now = self._office, self._office.clock.now()
        with office.database.read_across() as connection:
            return to_be_addressed(office, connection, now) or deliveries.something_loose(
                connection, office.personal, now
            )
