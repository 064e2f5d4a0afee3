"""A case as it stands: where it is on its loop, what is known about it, whose move it is, and the clock that runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal, Self

JSON = Any  # a JSON value: None, bool, int, str, list or dict of these; never a float, whose bytes differ by machine

CountsAs = Literal["reported", "assigned", "fixed", "verified", "closed"]
FIVE_STATES: tuple[CountsAs, ...] = ("reported", "assigned", "fixed", "verified", "closed")


@dataclass(frozen=True, slots=True)
class Link:
    """A bond between two cases: `kind` read from the case that carries it, as in *this case `rebound_of` that one*."""

    kind: str
    number: str


@dataclass(frozen=True, slots=True)
class CaseClock:
    """The clock that runs in the case's present generation.

    since     when the budget began to run
    budget    as written by `deadlines.Budget.to_json`; kept as data so that recomputing needs nothing else
    due_at    derived, and stored with the calendar's version so that a later holiday notice cannot move it silently
    first     this clock set the case's first limit, so correcting the one corrects the other
    """

    since: datetime
    budget: Mapping[str, JSON]
    due_at: datetime
    provisional: bool
    calendar_version: int
    first: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One turn of one loop, after `sequence` events.

    revision       counts what people must know before they act; a reminder is an event but no new revision
    generation     counts the clocks started so far; assigning, extending, deferring, returning each start another
    receipt_since  when the notice went out whose receipt is to be acknowledged
    acted          relation → persons, over the whole history, those represented included: separation reads this
    facts          what the forms said, under the forms' field names
    signed         step → signatures given (`engine.authority.Permit`) while more are needed; emptied when the case moves
    period         `cycle/scope/key` of the period the case was opened for
    counters       how often: returned, extended, rebounds
    first_due_at   the first limit ever set in the state that carries the loop's limit; an extension leaves it alone
    """

    organisation: str
    number: str
    workflow: str
    version: int
    state: str
    counts_as: CountsAs
    final: bool
    opened_at: datetime
    revision: int = 0
    sequence: int = 0
    last_hash: str = ""
    last_recorded_at: datetime | None = None
    title: str = ""
    place: str = ""
    category: str = ""
    level: str = ""
    mode: str = ""
    department: str | None = None
    reporter: str | None = None
    assignee: str | None = None
    closed_at: datetime | None = None
    generation: int = 0
    clock: CaseClock | None = None
    first_due_at: datetime | None = None
    receipt_since: datetime | None = None
    acknowledged_at: datetime | None = None
    supervised: bool = False
    period: str | None = None
    signed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    acted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: Mapping[str, JSON] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    _written: dict[str, JSON] | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def due_at(self) -> datetime | None:
        return self.clock.due_at if self.clock else None

    def overdue(self, now: datetime) -> bool:
        """A fact computed from the clock, never a state."""
        return not self.final and self.clock is not None and now > self.clock.due_at

    def who_acted(self, relation: str) -> tuple[str, ...]:
        return self.acted.get(relation, ())

    def changed(self, **values: Any) -> Self:
        """The same case with these attributes otherwise: `dataclasses.replace` in half its time, as it is asked for a dozen
        times a command.
        """
        every = list(_ATTRIBUTES(self))
        for name, value in values.items():
            every[_PLACES[name]] = value
        case = type(self)(*every)
        if values.keys() == {"last_hash"}:  # which is not written with the case
            object.__setattr__(case, "_written", self._written)
        return case

    def with_acted(self, relation: str, *persons: str | None) -> Self:
        """The same case, remembering that these persons stood in this relation to it."""
        known = self.acted.get(relation, ())
        new = tuple(p for p in dict.fromkeys(persons) if p is not None and p not in known)
        return self.changed(acted={**self.acted, relation: known + new}) if new else self

    def with_facts(self, facts: Mapping[str, JSON]) -> Self:
        return self.changed(facts={**self.facts, **facts})

    def counted(self, counter: str) -> Self:
        return self.changed(counters={**self.counters, counter: self.counters.get(counter, 0) + 1})

    def linked(self, kind: str, number: str) -> Self:
        link = Link(kind, number)
        return self if link in self.links else self.changed(links=(*self.links, link))

    def to_json(self) -> dict[str, JSON]:
        """Plain values, every attribute by its own name; what events record changes of, and folding gives back.

        Written once, since a command asks several times: not to be altered.
        """
        if self._written is None:
            written = dict(zip(_FOLDED, _TO_WRITE(self), strict=True))
            for name in _CONVERTED:
                written[name] = _plain(written[name])
            object.__setattr__(self, "_written", written)
        assert self._written is not None
        return self._written

    @classmethod
    def from_json(cls, values: Mapping[str, JSON], *, last_hash: str = "") -> Self:
        clock = values["clock"]
        case = cls(
            **{
                **{name: values[name] for name in values if name not in _READ_ANEW},
                **{name: _instant(values[name]) for name in _INSTANTS},
                "clock": clock
                and CaseClock(**{**clock, "since": _instant(clock["since"]), "due_at": _instant(clock["due_at"])}),
                "acted": {relation: tuple(persons) for relation, persons in values["acted"].items()},
                "signed": {step: tuple(signatures) for step, signatures in values["signed"].items()},
                "links": tuple(Link(**link) for link in values["links"]),
                "last_hash": last_hash,
            }
        )
        if len(values) == len(_FOLDED):  # an older program may have known fewer attributes
            object.__setattr__(case, "_written", values)
        return case


_NAMES = tuple(f.name for f in fields(Case) if f.init)
_ATTRIBUTES = attrgetter(*_NAMES)
_PLACES = {name: n for n, name in enumerate(_NAMES)}
#: all but the hash of the last event, which depends on the event's bytes, which would then depend on themselves
_FOLDED = tuple(f.name for f in fields(Case) if f.name not in {"last_hash", "_written"})
_TO_WRITE = attrgetter(*_FOLDED)
_INSTANTS = ("opened_at", "closed_at", "first_due_at", "receipt_since", "acknowledged_at", "last_recorded_at")
#: attributes that are not plain values
_CONVERTED = (*_INSTANTS, "clock", "acted", "signed", "links", "facts", "counters")


_READ_ANEW = frozenset(_CONVERTED) - {"facts", "counters"}


def instant_text(value: datetime) -> str:
    """An instant as the records spell it: UTC, six digits, `Z`."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})  # nearly everything is one of these


def _plain(value: Any) -> JSON:
    if value.__class__ in _AS_THEY_ARE:
        return value
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, CaseClock | Link):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: item if item.__class__ in _AS_THEY_ARE else _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [item if item.__class__ in _AS_THEY_ARE else _plain(item) for item in value]
    return value


def changes_between(before: Case | None, after: Case) -> dict[str, JSON]:
    """What an event has to record so that folding the events gives `after`: whole attributes, facts one by one."""
    new = after.to_json()
    if before is None:
        return new
    old = before.to_json()
    changed = {name: value for name, value in new.items() if name != "facts" and value != old[name]}
    changed |= {
        f"facts.{name}": value
        for name, value in new["facts"].items()
        if name not in old["facts"] or old["facts"][name] != value
    }
    return changed


def fold(history: list[Mapping[str, JSON]], *, last_hash: str = "") -> Case:
    """The case as its events tell it: `history` holds each event's changes, oldest first, at least the opening."""
    values: dict[str, JSON] = {}
    for changes in history:
        for name, value in changes.items():
            if name.startswith("facts."):
                values["facts"] = {**values["facts"], name.removeprefix("facts."): value}
            else:
                values[name] = value
    return Case.from_json(values, last_hash=last_hash)
