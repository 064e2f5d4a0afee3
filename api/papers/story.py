"""A case as papers tell it: its events, and how it stood after each of them. Plain values: whoever reads it named everybody before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from engine.case import Case, fold
from engine.definition import Workflow
from engine.errors import Text
from engine.events import Event, in_the_name_of


@dataclass(frozen=True)
class Story:
    """What happened to a case, up to and with an event.

    events       from the opening on
    names        principal (`person:…`, `system`, `anonymous:…`) → what the reader may call it
    departments  code → name
    now          when it is told
    school       what it is called
    by_name      whether its reader may see names, and not only posts
    related      number → other cases that this one is bound to and the reader may see, as they stood at `related_at`
    """

    workflow: Workflow
    case: Case
    events: Sequence[Event]
    names: Mapping[str, str]
    departments: Mapping[str, str]
    zone: ZoneInfo
    now: datetime
    related: Mapping[str, Case] = field(default_factory=dict)
    then: datetime | None = None
    by_name: bool = True
    school: str = ""

    @property
    def related_at(self) -> datetime:
        return self.then or self.now

    # --- events ---

    @property
    def opened(self) -> Event:
        return self.events[0]

    def event(self, sequence: int) -> Event:
        return self.events[sequence - 1]

    def all(self, *triggers: str) -> list[Event]:
        """Every one of these steps, whether it moved the case or was one signature of several."""
        return [event for event in self.events if event.trigger in triggers]

    def next(self, after: Event, *triggers: str, until: Sequence[str] = ()) -> Event | None:
        """The first of these steps behind an event, before any of `until` was taken."""
        for event in self.events[after.sequence :]:
            if event.trigger in triggers:
                return event
            if event.trigger in until:
                return None
        return None

    def last(self, *triggers: str, before: Event | None = None) -> Event | None:
        end = len(self.events) if before is None else before.sequence
        return next((event for event in reversed(self.events[:end]) if event.trigger in triggers), None)

    def at(self, event: Event) -> Case:
        """The case as the event left it."""
        return self._stood[event.sequence]

    @cached_property
    def _stood(self) -> "_Stood":
        return _Stood(self.events)

    # --- in words ---

    def said(self, event: Event | None, name: str) -> str:
        value = None if event is None else event.data.get(name)
        return "" if value is None else str(value)

    def files(self, event: Event | None, name: str) -> tuple[str, ...]:
        value = None if event is None else event.data.get(name)
        return tuple(str(each) for each in value) if isinstance(value, list) else ()

    def person(self, key: object) -> str:
        return "" if not key else self.names.get(f"person:{key}", str(key))

    def department(self, code: object) -> str:
        return "" if not code else self.departments.get(str(code), str(code))

    def day(self, instant: datetime | None) -> str:
        return "" if instant is None else f"{instant.astimezone(self.zone):%Y-%m-%d}"

    def minute(self, instant: datetime | None) -> str:
        return "" if instant is None else f"{instant.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def by(self, event: Event | None) -> str:
        """Who took a step, and in whose name."""
        if event is None:
            return ""
        acting, represented = self.names.get(event.actor, event.actor), None
        if event.on_behalf_of is not None:
            other = self.names.get(event.on_behalf_of, event.on_behalf_of)
            represented = Text(other, other)
        return in_the_name_of(Text(acting, acting), represented).zh

    def signed(self, event: Event | None) -> str:
        """A signature as it was recorded: who, in whose name, when, and the event that proves it."""
        if event is None:
            return ""
        return f"{self.by(event)} {self.minute(event.recorded_at)}，见第 {event.sequence} 号记录"


class _Stood(dict[int, Case]):
    """sequence → the case after that event, folded when it is asked for."""

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__()
        self._events = events

    def __missing__(self, sequence: int) -> Case:
        case = fold([event.changes for event in self._events[:sequence]])
        self[sequence] = case
        return case
