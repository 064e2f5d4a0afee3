"""A case as it stands: where it is on its loop, what is known about it, whose move it is, and the clock that runs."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Literal, Self

JSON = Any  # a JSON value: None, bool, int, str, list or dict of these; never a float, whose bytes differ by machine

INSTANTS = 256  # written lately; a command writes its own again and again

CountsAs = Literal["reported", "assigned", "fixed", "verified", "closed"]
#: the fact of a case that was taken over from a ledger kept elsewhere: `key` says which line of it this is, `found_on` and
#: `closed_on` are the days that ledger gives, `closed` whether it calls it done. A claim, all of it: nothing is back-dated
TAKEN_OVER = "imported"

FIVE_STATES: tuple[CountsAs, ...] = ("reported", "assigned", "fixed", "verified", "closed")

#: relations that a whole school may come to stand in: an event records who joined one, not all who stand in it, so that a
#: meeting everybody has to know of costs as much as its people, and not as much as their square
ADDRESSEE = "addressee"  # who has to know of it
CONFIRMED = "confirmed"  # who said that he does
EXCUSED = "excused"  # who is waited for no longer, for a reason that somebody gave
BY_MANY = frozenset({ADDRESSEE, CONFIRMED, EXCUSED})
UNCONFIRMED = "unconfirmed"  # who has to know of it and has not settled that; follows from the three
#: relations in which everybody stands for himself alone: nobody can know of something in another's place
OF_ONESELF = frozenset({ADDRESSEE, UNCONFIRMED})


#: the bond of a later version to the one it corrects, and how that one calls it
CORRECTS, CORRECTED_BY = "corrects", "corrected_by"
#: the bond of what was filed elsewhere to what it says something of there, and how that one calls it
FILES, FILED_IN = "files", "filed_in"
#: the bond of what was opened in a campaign to it. The campaign itself records nothing: there may be thousands of them
WITHIN = "within"
#: the bond of a round to the one before it, whose draw it goes on with, and how that one calls it
FOLLOWS, FOLLOWED_BY = "follows", "followed_by"
#: the bond of a visit to the case it goes to look at again, and how that one calls it
REVISITS, REVISITED_IN = "revisits", "revisited_in"
#: the bond of a case to an earlier one of the same thing, which was not settled for good after all
REBOUND_OF = "rebound_of"
#: bonds of a case whose other ends its guards and effects look at: its steps are decided with them in sight
LOOKED_AT = frozenset({"child", REVISITS})
#: the bond of what was read out to the meeting that heard it, and how the meeting calls it
READ_OUT_AT, READS_OUT = "read_out_at", "reads_out"
#: how the case at the other end of a bond calls it
OTHER_END = {
    "merged_into": "absorbed", REBOUND_OF: "rebounded_as", CORRECTS: CORRECTED_BY, FILES: FILED_IN, FOLLOWS: FOLLOWED_BY,
    REVISITS: REVISITED_IN, READ_OUT_AT: READS_OUT,
}  # fmt: skip
#: bonds the other case counts
COUNTED_BONDS = {REBOUND_OF: "rebounds"}

#: what a case's number looks like. Forms have their own pattern for it (`definition.CaseRef`), which published versions keep
CASE_NUMBER = re.compile(r"[A-Z]{1,8}-\d{4}-\d{4,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """A bond between two cases: `kind` read from the case that carries it, as in *this case `rebound_of` that one*."""

    kind: str
    number: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What an older ledger says of a case that was taken over from it.

    key      which of its lines this is
    number   its number there
    since    the day it was found, `2019-11-03`; None where nobody could read it
    until    the last day it was open: the day it was closed, or, where only that was said, the day it was found
    """

    key: str
    number: str | None
    since: str | None
    until: str | None


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


@dataclass(
    frozen=True
)  # without slots: a command makes a dozen of them, and `changed` copies a dict in a tenth of the time
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
    # what `to_json` gave; of one that was changed since, what the case it came from was written as, and what is other now
    _written: ClassVar[Mapping[str, JSON] | None] = None
    _base: ClassVar[Mapping[str, JSON] | None] = None
    _touched: ClassVar[frozenset[str]] = frozenset()

    @property
    def due_at(self) -> datetime | None:
        return self.clock.due_at if self.clock else None

    @property
    def claim(self) -> Claim | None:
        """What an older ledger says of it, of a case that was taken over from one."""
        said = self.facts.get(TAKEN_OVER)
        if not isinstance(said, Mapping):
            return None
        found, closed = said.get("found_on"), said.get("closed_on")
        return Claim(said["key"], said.get("number"), found, closed or (found if said.get("closed") else None))

    @property
    def within(self) -> str | None:
        """The number of the campaign it was opened in."""
        return next((link.number for link in self.links if link.kind == WITHIN), None)

    def overdue(self, now: datetime) -> bool:
        """A fact computed from the clock, never a state."""
        return not self.final and self.clock is not None and now > self.clock.due_at

    def who_acted(self, relation: str) -> tuple[str, ...]:
        return self.acted.get(relation, ())

    def changed(self, **values: Any) -> Self:
        """The same case with these attributes otherwise, as `dataclasses.replace`. It remembers which they are, so that what
        did not change is neither written again nor compared. Raises TypeError for what is no attribute.
        """
        if not values.keys() <= _EVERY:
            raise TypeError(f"a case has no attribute {sorted(values.keys() - _EVERY)}")
        case = object.__new__(type(self))
        own = vars(case)
        own.update(vars(self), **values)
        touched = values.keys() - _NOT_WRITTEN
        if touched:
            if self._written is not None:
                own.update(_written=None, _base=self._written, _touched=frozenset(touched))
            else:
                own["_touched"] = self._touched | touched
        return case

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Who has to know of it, has not said that he does, and was not excused, in the order they were addressed."""
        addressed = self.acted.get(ADDRESSEE, ())
        settled = {*self.acted.get(CONFIRMED, ()), *self.acted.get(EXCUSED, ())}
        return tuple(person for person in addressed if person not in settled) if addressed else ()

    def with_acted(self, relation: str, *persons: str | None) -> Self:
        """The same case, remembering that these persons stood in this relation to it."""
        known = self.acted.get(relation, ())
        there = frozenset(known) if len(persons) > 2 else known  # looked up once for a whole school
        new = tuple(p for p in dict.fromkeys(persons) if p is not None and p not in there)
        return self.changed(acted={**self.acted, relation: known + new}) if new else self

    def with_facts(self, facts: Mapping[str, JSON]) -> Self:
        return self.changed(facts={**self.facts, **facts})

    def counted(self, counter: str) -> Self:
        return self.changed(counters={**self.counters, counter: self.counters.get(counter, 0) + 1})

    def linked(self, kind: str, number: str) -> Self:
        link = Link(kind, number)
        return self if link in self.links else self.changed(links=(*self.links, link))

    def to_json(self) -> Mapping[str, JSON]:
        """Plain values, every attribute by its own name; what events record changes of, and folding gives back.

        Written once, since a command asks several times: not to be altered.
        """
        if self._written is None:
            if self._base is not None:
                written = dict(self._base)
                for name in self._touched:
                    written[name] = _plain(getattr(self, name))
            else:
                written = {name: _plain(value) for name, value in zip(_FOLDED, _TO_WRITE(self), strict=True)}
            vars(self)["_written"] = written
        assert self._written is not None
        return self._written

    def changes_since(self, before: "Case | None") -> dict[str, JSON]:
        """What has to be known so that folding the events gives this case: whole attributes, facts one by one, of relations of
        many who joined them (`acted.confirmed+`); of a new case all that is otherwise than without it.
        """
        new = self.to_json()
        old = _UNSAID if before is None else before.to_json()
        touched = self._touched if self._base is old else new.keys()
        changed = {
            name: value
            for name, value in new.items()
            if name in touched and name != "facts" and (name not in old or value != old[name])
        }
        if "acted" in changed and not BY_MANY.isdisjoint(new["acted"]):
            changed = _who_joined(changed, old["acted"])
        if "facts" in touched:
            changed |= {
                f"facts.{name}": value
                for name, value in new["facts"].items()
                if name not in old["facts"] or old["facts"][name] != value
            }
        return changed

    @classmethod
    def from_json(cls, values: Mapping[str, JSON], *, last_hash: str = "") -> Self:
        """Raises TypeError where an attribute is missing that has no default, or is not known."""
        case = object.__new__(cls)
        own = vars(case)
        own.update(_WITHOUT)
        own.update(values)
        own["last_hash"] = last_hash
        if own.keys() != _EVERY:
            raise TypeError(f"this makes no case: {sorted(own.keys() ^ _EVERY)}")
        for name in _INSTANTS:
            own[name] = _instant(own[name])
        clock = own["clock"]
        if clock is not None:
            own["clock"] = CaseClock(
                **{**clock, "since": _instant(clock["since"]), "due_at": _instant(clock["due_at"])}
            )
        for name in ("acted", "signed"):
            own[name] = {key: tuple(persons) for key, persons in own[name].items()}
        own["links"] = tuple(Link(**link) for link in own["links"])
        if len(values) == len(_FOLDED):  # an older program may have known fewer attributes
            own["_written"] = values
        return case


_NOT_WRITTEN = frozenset({"last_hash"})  # which depends on the event's bytes, which would then depend on themselves
_EVERY = frozenset(f.name for f in fields(Case))
_FOLDED = tuple(f.name for f in fields(Case) if f.name not in _NOT_WRITTEN)
_TO_WRITE = attrgetter(*_FOLDED)
#: attributes that name nobody and hold nothing anybody typed: nothing of them will ever have to be erased by itself
NAMES_NOBODY = frozenset({
    "workflow", "version", "counts_as", "final", "revision", "mode", "generation", "clock", "first_due_at", "closed_at",
    "receipt_since", "acknowledged_at", "supervised", "period", "counters",
})  # fmt: skip
_INSTANTS = ("opened_at", "closed_at", "first_due_at", "receipt_since", "acknowledged_at", "last_recorded_at")
#: attributes nothing was said of, and how they are written: an opening does not record them. Events rely on it, so an
#: attribute keeps its default for as long as there are any.
_WITHOUT: Mapping[str, Any] = {
    f.name: f.default if f.default_factory is MISSING else f.default_factory()
    for f in fields(Case)
    if f.default is not MISSING or f.default_factory is not MISSING
}


def instant_text(value: datetime) -> str:
    """An instant as the records spell it: UTC, six digits, `Z`."""
    # in UTC first: the two that one zone's clock shows when it is put back are equal, and remembered as one
    return _spelled(value if value.tzinfo is UTC else value.astimezone(UTC))


@lru_cache(maxsize=INSTANTS)
def _spelled(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")[:-6] + "Z"  # less its +00:00


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})  # nearly everything is one of these


def _plain(value: Any) -> JSON:
    if value.__class__ in _AS_THEY_ARE:
        return value
    if isinstance(value, dict):
        return {key: item if item.__class__ in _AS_THEY_ARE else _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [item if item.__class__ in _AS_THEY_ARE else _plain(item) for item in value]
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, CaseClock | Link):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, Mapping):
        return _plain(dict(value))
    return value


_UNSAID: Mapping[str, JSON] = {name: _plain(value) for name, value in _WITHOUT.items() if name in _FOLDED}


def _who_joined(changed: Mapping[str, JSON], before: Mapping[str, list[str]]) -> dict[str, JSON]:
    """The changes with each relation of many by itself, as those who joined it; the others together, if any is other."""
    acted = changed["acted"]
    few = {relation: persons for relation, persons in acted.items() if relation not in BY_MANY}
    joined = {
        f"acted.{relation}+": persons[len(before.get(relation, ())) :]
        for relation, persons in acted.items()
        if relation in BY_MANY and persons != before.get(relation)
    }
    told = {name: value for name, value in changed.items() if name != "acted"}
    if few != {relation: persons for relation, persons in before.items() if relation not in BY_MANY}:
        told["acted"] = few
    return told | joined


def apply(values: dict[str, JSON], name: str, value: JSON) -> None:
    """Make one recorded change to a case's plain values."""
    if name.startswith("facts."):
        values["facts"] = {**values["facts"], name.removeprefix("facts."): value}
    elif name.startswith("acted."):
        relation, acted = name.removeprefix("acted.").removesuffix("+"), values.get("acted", {})
        values["acted"] = {**acted, relation: [*acted.get(relation, ()), *value]}
    elif name == "acted":
        kept = {many: who for many, who in values.get("acted", {}).items() if many in BY_MANY}
        values["acted"] = {**kept, **value}
    else:
        values[name] = value


def fold(history: list[Mapping[str, JSON]], *, last_hash: str = "") -> Case:
    """The case as its events tell it: `history` holds each event's changes, oldest first, at least the opening."""
    values: dict[str, JSON] = dict(_UNSAID)
    for changes in history:
        for name, value in changes.items():
            apply(values, name, value)
    return Case.from_json(values, last_hash=last_hash)
