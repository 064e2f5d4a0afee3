"""Takes an older ledger over: what was closed there becomes a record, what is open a hazard that is reported now.

Planned against the cases there are, so that the same ledger taken over twice makes no second case; carried out by the way of
every command, in groups, each durable by itself: whoever was interrupted begins again, and what is there already stays as it is.
Nothing is back-dated: the days of the ledger are claims.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.papers.ledger_entries import Around, Doubted, Entry, Understood, content_of, understand
from api.papers.ledger_list import Ignored, LedgerList
from api.papers.ledger_words import Departments, bare
from engine.actor import Actor
from engine.case import CASE_NUMBER, TAKEN_OVER, Case
from engine.commands import Asked, OpenCase
from engine.errors import FolderError, Refusal, Text
from engine.handle import Done, Engine, Refused, handle, note, settled
from engine.store import books, cases, people
from workflows.record import RECORD
from workflows.roles import ROLES, SAFETY_OFFICE

AT_ONCE = 64  # cases of one transaction: nobody else waits long for it
ROUTE = "import ledger"
HAZARD = "hazard"
DISCARDED = "discarded"


@dataclass
class Plan:
    """What taking it over would do.

    new       what is to be opened, with how often it was discarded before
    known     entry → the number it has here already
    changed   what is here already, and says something else now: it is left as it is
    """

    understood: Understood
    new: list[tuple[Entry, int]] = field(default_factory=list)
    known: list[tuple[Entry, str]] = field(default_factory=list)
    changed: list[tuple[Entry, str]] = field(default_factory=list)

    @property
    def records(self) -> int:
        return sum(entry.closed for entry, _ in self.new)

    @property
    def hazards(self) -> int:
        return len(self.new) - self.records

    @property
    def doubts(self) -> list[Doubted]:
        """Those of rows that hold anything new: what is here already was doubted when it was taken over."""
        rows = {(entry.sheet, entry.row) for entry, _ in self.new}
        return [doubt for doubt in self.understood.doubts if (doubt.sheet, doubt.row) in rows]

    @property
    def ignored(self) -> list[Ignored]:
        return self.understood.ignored


@dataclass
class TakenOver:
    """What became of it: `numbers` of the cases that were opened; `refused`, entries that were not, and why."""

    plan: Plan
    numbers: list[str] = field(default_factory=list)
    refused: list[tuple[Entry, Refusal]] = field(default_factory=list)


def around(connection: Connection, organisation: str, today: date) -> Around:
    """What the words of a ledger are understood by in this school."""
    departments = Departments(people.departments(connection, organisation))
    return Around(departments, people.people(connection, organisation), today)


def plan(connection: Connection, organisation: str, listed: LedgerList, today: date) -> Plan:
    """What the ledger means for the cases as they stand."""
    planned = Plan(understand(listed, around(connection, organisation, today)))
    by_key: dict[str, Case] = {}
    alike: dict[tuple[str, str, str, str], Case] = {}
    discarded: Counter[str] = Counter()
    for taken in books.taken_over(connection, organisation):
        if taken.case.state == DISCARDED:
            discarded[taken.key] += 1
            continue
        by_key[taken.key] = taken.case
        said = taken.case.facts[TAKEN_OVER]
        if said.get("number") and said.get("found_on"):
            alike[said["sheet"], said["number"], said["found_on"], bare(taken.case.place)] = taken.case
    for entry in planned.understood.entries:
        here = by_key.get(entry.key)
        if here is not None:
            of = (
                planned.known
                if content_of(here.title, here.place, here.facts[TAKEN_OVER]["written"]) == entry.content
                else planned.changed
            )
            of.append((entry, here.number))
        elif (own := _own(connection, organisation, entry)) is not None:
            (planned.known if _is_told(own, entry) else planned.changed).append((entry, own.number))
        elif entry.number and entry.found_on and (
            other := alike.get((entry.sheet, entry.number, entry.found_on.isoformat(), bare(entry.place)))
        ):  # fmt: skip
            planned.changed.append((entry, other.number))
        else:
            planned.new.append((entry, discarded[entry.key]))
    return planned


def _own(connection: Connection, organisation: str, entry: Entry) -> Case | None:
    """The case it may be, of a ledger that was exported from here: by its number and where it was."""
    number = entry.original or ""
    if not CASE_NUMBER.fullmatch(number):
        return None
    case = cases.load(connection, organisation, number)
    return case if case is not None and bare(case.place) == bare(entry.place) else None


def _is_told(case: Case, entry: Entry) -> bool:
    """Whether the line tells of it. A ledger that another school exported may have the same number at the same place."""
    said, known = bare(entry.title.removesuffix("…")), bare(case.title.removesuffix("…"))
    return known in said or said in known


def whoever(connection: Connection, organisation: str, key: str, today: date) -> Actor:
    """The person who takes it over. Raises FolderError for who is not of the safety office."""
    actor = people.actor(connection, organisation, key, today)
    if actor is not None and actor.holds_any(SAFETY_OFFICE):
        return actor
    called = "、".join(ROLES[role].zh for role in SAFETY_OFFICE)
    keys = {who for role in SAFETY_OFFICE for who, _ in people.holders(connection, organisation, role, today)}
    known = people.some(connection, organisation, sorted(keys))
    able = [f"{who}（{person.post}）" if person.post else who for who, person in known.items() if person.active]
    obstacle = (
        Text("不在名册中，或已停用", "is not in the directory, or no longer active")
        if actor is None
        else Text("不是安稳办人员", "is not of the safety office")
    )
    raise FolderError(
        Text(
            f"不能以 {key} 的名义导入台账：{obstacle.zh}。没有写入任何内容。请用 --by 指明安稳办人员（{called}）：{'、'.join(able) or '目前没有'}。",
            f"The ledger cannot be taken over by {key!r}, who {obstacle.en}. Nothing was written. Name somebody of the safety office "
            f"with --by: {', '.join(able) or 'there is nobody yet'}.",
        )
    )


def carry_out(
    engine: Engine,
    actor: Actor,
    planned: Plan,
    zone: ZoneInfo,
    about: Mapping[str, Any],
    progress: Callable[
        [Sequence[Sequence[tuple[Entry, int]]]], Iterable[Sequence[tuple[Entry, int]]]
    ] = lambda groups: groups,
) -> TakenOver:
    """Open what is new, after it is noted who takes what over.

    about      what the note says of the file
    progress   goes through the groups, telling how far it is
    Raises     Busy where it could not be made durable, the failure of a command; what was opened before stays, and running
               it again opens the rest
    """
    done = TakenOver(planned)
    if not planned.new:
        return done
    counts = {"records": planned.records, "hazards": planned.hazards, "rows": planned.understood.rows}
    note(engine, actor, "imported", {"what": "ledger", **about, **counts})
    groups = [planned.new[at : at + AT_ONCE] for at in range(0, len(planned.new), AT_ONCE)]
    for group in progress(groups):
        outcomes = handle(engine, [_asked(actor, entry, before, zone) for entry, before in group])
        for (entry, _), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Refused):
                done.refused.append((entry, outcome.refusal))
            elif isinstance(opened := settled(outcome), Done):
                done.numbers.append(opened.case.number)
    return done


def _asked(actor: Actor, entry: Entry, before: int, zone: ZoneInfo) -> Asked:
    found_at = None if entry.found_on is None else datetime.combine(entry.found_on, time(), zone).astimezone(UTC)
    command = OpenCase(RECORD.key if entry.closed else HAZARD, _form(entry), found_at)
    return Asked(actor, command, ROUTE, f"{entry.key}:{before}")


def _form(entry: Entry) -> dict[str, Any]:
    said: dict[str, Any] = {
        "title": entry.title, "place": entry.place, "category": entry.category, "department": entry.department,
        "details": entry.details, "imported": entry.imported(),
    }  # fmt: skip
    if entry.closed:
        return {**said, "level": entry.level, "assignee": entry.assignee}
    return {**said, "source": "older_ledger"}
