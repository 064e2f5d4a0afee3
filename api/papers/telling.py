"""Cases gathered for papers, as somebody reads them: everybody in them called as he may call them, and no case he may not see."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from api.auth import Asker
from api.keeping.erasing import CLEARED
from api.papers.ledger import Told
from api.papers.story import Story
from api.reading import name_for
from api.trail import called
from engine.authority import may_see
from engine.case import Case
from engine.definition import Catalog
from engine.directory import Person
from engine.events import Event
from engine.store import cases, history, people

ERASED = "已依法清除"
LONGEST_KEY = 64
AT_ONCE = 200  # cases read at a time


def story_of(connection: Connection, catalog: Catalog, asker: Asker, case: Case, now: datetime) -> Story:
    """The case with its events, and the cases it is bound to as they stand now."""
    organisation = case.organisation
    events = history.events_of(connection, organisation, case.number)
    story = Story(
        workflow=catalog.of(case), case=case, events=events, names={},
        departments={d.code: d.name.zh for d in people.departments(connection, organisation)},
        zone=people.time_zone(connection, organisation), now=now, related=_related(connection, asker, case),
        by_name=asker.seen.everything,
    )  # fmt: skip
    return replace(story, names=_names(connection, asker, story))


def as_then(connection: Connection, story: Story, then: datetime | None) -> Story:
    """The story with the other cases as they were known then; as it is where nothing is asked."""
    if then is None:
        return story
    known = history.known_at(connection, story.case.organisation, list(story.related), then)
    return replace(story, related=known, then=then)


def _related(connection: Connection, asker: Asker, case: Case) -> dict[str, Case]:
    found = cases.load_many(connection, case.organisation, [link.number for link in case.links])
    return {number: each for number, each in found.items() if may_see(each, asker.seen)}


def _names(connection: Connection, asker: Asker, story: Story) -> dict[str, str]:
    """Principal → what the asker may call it, of everybody who is named anywhere in the story."""
    keys = {key for event in story.events for key in _keys_in(event)}
    keys |= {case.assignee for case in story.related.values() if case.assignee} | {*story.case.unconfirmed}
    found = people.some(connection, story.case.organisation, sorted(keys))
    names = {f"person:{key}": calls(asker, person) for key, person in found.items()}
    for event in story.events:
        for principal in (event.actor, event.on_behalf_of):
            if principal is not None and principal not in names:
                names[principal] = called(principal, lambda _: None, names=asker.seen.everything).zh
    return names


def _keys_in(event: Event) -> Iterator[str]:
    """What may be a person's key: whoever acted, and whatever short word was said or changed."""
    for principal in (event.actor, event.on_behalf_of):
        if principal is not None and principal.startswith("person:"):
            yield principal.removeprefix("person:")
    for values in (event.data, event.changes):
        for value in values.values():
            if isinstance(value, str) and 0 < len(value) <= LONGEST_KEY and " " not in value:
                yield value


def calls(asker: Asker, person: Person) -> str:
    """By name and post for who may see names, as a signature reads; else as everywhere."""
    if person.name == CLEARED:
        return ERASED
    if not asker.seen.everything or not person.post or person.post in person.name:
        return name_for(person, asker)
    return f"{person.name}（{person.post}）"


# --- many ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Around:
    """What is the same around every case of a list."""

    names: Mapping[str, str]
    departments: Mapping[str, str]

    @classmethod
    def of(cls, connection: Connection, asker: Asker) -> "Around":
        here = asker.actor.organisation
        known = people.names(connection, here) if asker.seen.everything else {}
        for person in people.people(connection, here):
            known[person.person] = ERASED if person.name == CLEARED else name_for(person, asker)
        return cls(known, {d.code: d.name.zh for d in people.departments(connection, here)})


def told_of(
    connection: Connection, catalog: Catalog, asker: Asker, found: Iterable[Case], now: datetime, around: Around
) -> Sequence[Told]:
    """Each case with its events, as the ledger tells it."""
    zone = people.time_zone(connection, asker.actor.organisation)
    return [
        Told(
            catalog.of(case), case, history.events_of(connection, case.organisation, case.number), around.names,
            around.departments, zone, now,
        )
        for case in found
    ]  # fmt: skip
