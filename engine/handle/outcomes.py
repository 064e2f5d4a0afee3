"""What comes of a command, and what it takes besides the command itself."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.case import Case
from engine.clock import Clock
from engine.definition import Catalog
from engine.errors import Refusal, Text
from engine.events import Event
from engine.store.database import Database

#: (database, the case as it stands, now) → figures for its step: plain JSON, of what was recorded before now and no later, so
#: that counting them again tells the same. It opens its own transactions; raises Busy where it cannot know everything yet
FiguresOf = Callable[[Database, Case, datetime], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Engine:
    """What a command needs besides itself, handed in once by whoever starts a process.

    words     pydantic's error types in both languages
    draw      gives that many random bytes, for the salts of commitments and the seeds of draws
    figures   by the name under which steps take them (`Transition.figures`)
    """

    database: Database
    catalog: Catalog
    clock: Clock
    words: Mapping[str, Text] = field(default_factory=dict)
    draw: Callable[[int], bytes] = secrets.token_bytes
    figures: Mapping[str, FiguresOf] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """Carried out and durable. `replayed`: it was carried out before under the same key, and this is that answer again.

    case    as it stood right after `event`
    """

    case: Case
    event: Event
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """There was nothing left to do: the rung was told, the period opened, the deadline already right."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Understood and not carried out; nothing changed but the refusal log."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Failed:
    """A defect or a fault stopped this one command; it was undone, the rest of the group was not."""

    error: Exception


Outcome = Done | Idle | Refused | Failed


def settled(outcome: Outcome) -> Done | Idle:
    """The outcome if it is one to go on with; raises the refusal or the failure otherwise."""
    if isinstance(outcome, Refused):
        raise outcome.refusal
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome
