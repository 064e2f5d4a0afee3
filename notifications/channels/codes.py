"""What the code in an answer means for us. An answer of HTTP 200 with an error inside is an error."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from notifications.channels import Concerns, Sort, TransportError

SLOW_DOWN = timedelta(minutes=1)  # the window of every limit by the minute


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a code, and what is at fault."""

    sort: Sort
    concerns: Concerns = "message"
    retry_after: timedelta | None = None

    def error(self, answer: str) -> TransportError:
        return TransportError(answer, self.sort, concerns=self.concerns, retry_after=self.retry_after)


TRY_AGAIN = Verdict("again")
BAD_MESSAGE = Verdict("give_up")
BAD_ADDRESS = Verdict("give_up", "address")
BAD_ACCOUNT = Verdict("give_up", "channel")
TOO_FAST = Verdict("slow_down", "channel", SLOW_DOWN)

Codes = Mapping[int, Verdict]


def codes(verdicts: Mapping[Verdict, tuple[int, ...]]) -> Codes:
    """A table to look codes up in. Raises ValueError for a code that stands in it twice."""
    found: dict[int, Verdict] = {}
    for verdict, numbers in verdicts.items():
        for number in numbers:
            if number in found:
                raise ValueError(f"Code {number} has two meanings. Strike one.")
            found[number] = verdict
    return found
