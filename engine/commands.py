"""What is asked, in the imperative. A command names what should happen; who asks and under which key stands in `Asked`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.actor import Actor, Visibility
from engine.errors import DEFAULT_LOCALE, Locale


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Open a case of a workflow's newest version. `data` is what its opening form asks for.

    found_at     when the asker says he found it: a claim, shown as such
    parent       the number of the case this one comes out of, if any
    rebound_of   the number of the case that this one shows not to have been settled for good, however long that is ago. Effects
                 say so; of what people report the engine finds out itself
    """

    workflow: str
    data: Mapping[str, Any]
    found_at: datetime | None = None
    parent: str | None = None
    rebound_of: str | None = None


@dataclass(frozen=True, slots=True)
class FireTrigger:
    """Take a step. `expected_revision` refuses the step when the case has moved on since it was read.

    via   the channel of the message it was taken from, where it was; goes on record beside what the form says
    """

    case: str
    trigger: str
    data: Mapping[str, Any] = field(default_factory=dict)
    expected_revision: int | None = None
    found_at: datetime | None = None
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell about the rungs of one generation of a case's clock that fell due; the highest is sent, the rest recorded."""

    case: str
    generation: int
    rungs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """Open what a cycle owes for one period: the period's row and its case, together or not at all."""

    cycle: str
    workflow: str
    scope: str
    key: str
    opens_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Recompute:
    """Work the deadline out again under the newest calendar."""

    case: str


Command = OpenCase | FireTrigger | Remind | OpenPeriod | Recompute


@dataclass(frozen=True, slots=True)
class Counted:
    """Figures, and the revision of the case they were counted for."""

    revision: int
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A command with its asker.

    route   what idempotency keys are scoped to, besides the organisation and the principal
    key     the idempotency key, if the asker gave one
    seen    what the asker may see where that is more than the actor may: what he sees, he is refused in words
    figures what `handle` counted for the step before it began to write, or what kept it from counting; what is given here by
            anybody else is thrown away
    """

    actor: Actor
    command: Command
    route: str = ""
    key: str | None = None
    locale: Locale = DEFAULT_LOCALE
    seen: Visibility | None = None
    figures: Counted | Exception | None = None
