"""Who has to know of a case, and how each stands to it: put together from the case, its events and the directory."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from engine.case import ADDRESSEE, CONFIRMED, EXCUSED, Case
from engine.definition import Workflow
from engine.directory import Person
from engine.events import Event
from engine.store import history, people

Standing = Literal["confirmed", "excused", "missing", "departed"]
#: confirmed   he said that he knows
#: excused     he is waited for no longer, for a reason that was given
#: missing     he has not said so
#: departed    he has not, and is not here any more; nobody waits for him
STANDINGS: tuple[Standing, ...] = ("missing", "departed", "excused", "confirmed")  # in the order they are looked for


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who has to know of a case. `at`: since when it stands so with him, unknown of who has done nothing.

    why   the reason he was excused for
    """

    person: Person
    standing: Standing
    at: datetime | None = None
    why: str | None = None


def addressees(connection: Connection, workflow: Workflow, case: Case) -> list[Addressee]:
    """Everybody who has to know of it, by department and name; of a department first who has not confirmed."""
    events = history.events_of(connection, case.organisation, case.number)
    return standings(workflow, case, events, people.some(connection, case.organisation, case.who_acted(ADDRESSEE)))


def standings(workflow: Workflow, case: Case, events: Iterable[Event], known: Mapping[str, Person]) -> list[Addressee]:
    """As `addressees`, from what was read already."""
    excuses = {t.trigger for t in workflow.transitions if t.excuses}
    confirmed: dict[str, datetime] = {}
    excused: dict[str, tuple[datetime, str | None]] = {}
    for event in events:
        for person in event.changes.get(f"acted.{CONFIRMED}+", ()):
            confirmed[person] = event.recorded_at
        if event.trigger in excuses:
            for person in event.changes.get(f"acted.{EXCUSED}+", ()):
                excused[person] = event.recorded_at, event.data.get("reason")
    found = []
    for key in case.who_acted(ADDRESSEE):
        person = known.get(key) or Person(case.organisation, key, key, active=False)
        if key in confirmed:
            found.append(Addressee(person, "confirmed", confirmed[key]))
        elif key in excused:
            found.append(Addressee(person, "excused", *excused[key]))
        else:
            found.append(Addressee(person, "missing" if person.active else "departed"))
    return sorted(found, key=_order)


def counts(case: Case) -> dict[str, int] | None:
    """How many have to know, do, are excused and are still waited for; None for a case that addressed nobody. Who has left
    since is among the last.
    """
    asked = case.who_acted(ADDRESSEE)
    if not asked:
        return None
    confirmed = frozenset(case.who_acted(CONFIRMED))
    missing = len(case.unconfirmed)
    return {
        "asked": len(asked),
        "confirmed": len(confirmed),
        "excused": len(asked) - len(confirmed) - missing,
        "missing": missing,
    }


def as_told(workflow: Workflow, event: Event, *, everything: bool, selves: Collection[str]) -> Event:
    """The event as somebody may be told it. Who was excused, and why, is for who may see every case; others are told that it was
    done, and of themselves why.

    selves   the reader's own keys
    """
    excuses = {t.trigger: t.excuses for t in workflow.transitions if t.excuses}
    if everything or event.trigger not in excuses:
        return event
    named = excuses[event.trigger]
    his = [person for person in event.data.get(named, ()) if person in selves]
    return replace(event, data={**event.data, named: his} if his else {})


def by_department(found: Sequence[Addressee]) -> list[tuple[str | None, list[Addressee]]]:
    """(code of the department, its people) in their order."""
    groups: dict[str | None, list[Addressee]] = {}
    for one in found:
        groups.setdefault(one.person.department, []).append(one)
    return list(groups.items())


def _order(one: Addressee) -> tuple[bool, str, int, str, str]:
    department = one.person.department
    return department is None, department or "", STANDINGS.index(one.standing), one.person.name, one.person.person
