"""What a decision may know, and what it says: Setting goes in, Decision comes out. Values only.

Setting                who asks, with which numbers, calendar and people
└── PeriodOwed         the period a case is opened for
Watch                  what is on watch of a running clock
Decision               what shall be written
├── Timer              a rung to be claimed once
└── Told               something to tell, and to whom
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from engine.actor import Actor
from engine.authority import Permit
from engine.calendar import Calendar
from engine.case import Case, Link
from engine.commands import OpenCase
from engine.definition import Series
from engine.events import EventType, How


@dataclass(frozen=True, slots=True)
class PeriodOwed:
    """The period a case is opened for: `name` is `cycle/scope/key`."""

    name: str
    opens_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Setting:
    """What a decision may know besides the case and the command.

    policy           the workflow's numbers as they hold for this organisation
    related          cases the form refers to
    people           person → department of everybody the form names
    addressed        whom the form's audience means today
    departed         who has not confirmed and has left since
    period           the period the case is opened for, if it is
    figures          what was counted for a step that takes figures
    """

    actor: Actor
    policy: Mapping[str, Any]
    calendar: Calendar
    permit: Permit = Permit()
    related: Mapping[str, Case] = field(default_factory=dict)
    people: Mapping[str, str | None] = field(default_factory=dict)
    addressed: tuple[str, ...] = ()
    departed: frozenset[str] = frozenset()
    period: PeriodOwed | None = None
    figures: Mapping[str, Any] | None = None


class Timer(NamedTuple):
    """A rung to be claimed once: unique by case, generation and name."""

    rung: str
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class Watch:
    """What is on watch of a case's running generation.

    rungs       rung → when it is to be told; None for one that was told or skipped. One that is void is not among them
    calendar    by which the clock was counted
    """

    rungs: Mapping[str, datetime | None]
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Told:
    """Something to tell about the decision: why, to whom (roles and relations), how."""

    reason: str
    audience: tuple[str, ...]
    how: How
    rung: str | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall be written, all of it or nothing.

    case            as it will stand, but for its revision, its place in the chain and the numbers it still gets
    series          running numbers to draw and keep as facts
    cancels_timers  the rungs of the generation before are void
    cancels_rungs   single rungs that are void (an acknowledged receipt)
    timers          rungs put on watch
    moves_timers    rungs that are on watch, and when they are to be told instead
    """

    case: Case
    type: EventType
    trigger: str
    from_state: str | None
    data: Mapping[str, Any]
    new_revision: bool = True
    cancels_timers: bool = False
    cancels_rungs: tuple[str, ...] = ()
    timers: tuple[Timer, ...] = ()
    moves_timers: tuple[Timer, ...] = ()
    series: tuple[Series, ...] = ()
    opens: tuple[OpenCase, ...] = ()
    links: tuple[Link, ...] = ()
    told: tuple[Told, ...] = ()
    settles: Literal["reported", "waived"] | None = None
    found_at: datetime | None = None
    found_at_flagged: bool = False
