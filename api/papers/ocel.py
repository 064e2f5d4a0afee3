"""Everything that happened to the cases of an organisation as an object-centric event log, for programs that mine processes.

OCEL 2.0 in JSON (https://www.ocel-standard.org/specification/formats/json/). Objects are cases, by the loop they go through,
departments and people; what is noted of the records themselves belongs to no case and is left to `lines`.

    object     YH-2020-0012, of type `hazard`; department:HQC; person:hqc.repair1
    event      YH-2020-0012#3, of type `hazard.fix`; `hazard.fix.signed` where more signatures were needed; `hazard.reminded`
    attribute  of an event: its envelope's fields, and what a form said as `data.…`; of a case: each change, with its time
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, BinaryIO

import orjson

from engine.directory import Person
from engine.errors import Text
from engine.events import LOGBOOK
from engine.store import people, records, trail
from engine.store.database import Database
from engine.store.records import Record

ALWAYS = "1970-01-01T00:00:00Z"  # of what has no time of its own, as the format has it
DEPARTMENT, PERSON = "department", "person"
#: attributes of a case and their types; `due_at` is its clock's
OF_A_CASE: Mapping[str, str] = {
    "state": "string", "counts_as": "string", "final": "boolean", "title": "string", "place": "string",
    "category": "string", "level": "string", "mode": "string", "department": "string", "reporter": "string",
    "assignee": "string", "version": "integer", "opened_at": "time", "due_at": "time", "first_due_at": "time",
    "acknowledged_at": "time", "closed_at": "time", "supervised": "boolean", "period": "string",
}  # fmt: skip
#: attributes of every event
OF_AN_EVENT: Mapping[str, str] = {
    "position": "integer", "sequence": "integer", "from_state": "string", "to_state": "string", "found_at": "time",
    "actor": "string", "on_behalf_of": "string", "policy_version": "integer", "calendar_version": "integer",
    "hash": "string",
}  # fmt: skip
#: the last wins with readers that know one relation of an event to an object
QUALIFIERS = ("case", "department", "assignee", "on_behalf_of", "actor")

Progress = Callable[[Iterable[Record]], Iterable[Record]]


@dataclass
class Written:
    """What a log holds: how many events and objects of each type."""

    events: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    objects: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def write_ocel(
    database: Database,
    organisation: str,
    size: int,
    file: BinaryIO,
    *,
    with_names: bool = False,
    progress: Progress = lambda found: found,
) -> Written:
    """Write what the first `size` events of the trail tell. Of the memory it takes only people and types count.

    with_names   whether people are told by name; else by key alone
    progress     goes through the events, which are read twice, and tells how far it is
    """
    log = _Log(database, organisation, size, with_names)
    file.write(b'{"objects":[\n')
    _write_all(file, log.objects(progress))
    file.write(b'\n],"objectTypes":')
    file.write(orjson.dumps(log.object_types()))
    file.write(b',"eventTypes":')
    file.write(orjson.dumps(log.event_types()))
    file.write(b',"events":[\n')
    _write_all(file, log.events(progress))
    file.write(b"\n]}\n")
    return log.written


def _write_all(file: BinaryIO, items: Iterable[Mapping[str, Any]]) -> None:
    for index, item in enumerate(items):
        file.write(b",\n" if index else b"")
        file.write(orjson.dumps(item))


class _Log:
    """Objects first, since going through the cases tells who else there is and of which type everything is; then events."""

    def __init__(self, database: Database, organisation: str, size: int, with_names: bool) -> None:
        self._database, self._organisation, self._size, self._with_names = database, organisation, size, with_names
        self._departments: set[str] = set()
        self._people: set[str] = set()
        #: event type → attribute that a form asked for → what was said: `boolean`, `integer`, `string`
        self._said: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.written = Written()

    # --- objects -----------------------------------------------------------------------------------------------------

    def objects(self, progress: Progress) -> Iterator[dict[str, Any]]:
        found = progress(records.case_by_case(self._database, self._organisation, self._size))
        for number, history in groupby((r for r in found if r.number != LOGBOOK), key=attrgetter("number")):
            yield self._case(number, history)
        with self._database.read(self._organisation) as connection:
            departments = {each.code: each.name for each in people.departments(connection, self._organisation)}
            persons = {key: people.person(connection, self._organisation, key) for key in sorted(self._people)}
        for code in sorted(self._departments):
            yield self._department(code, departments.get(code))
        for key, person in persons.items():
            yield self._person(key, person)

    def _case(self, number: str, history: Iterable[Record]) -> dict[str, Any]:
        attributes: list[dict[str, Any]] = []
        last: dict[str, Any] = {}
        workflow = ""
        for record in history:
            workflow = record.workflow or workflow
            at = record.read()["recorded_at"]
            changes = _changes(record)
            last |= changes
            attributes += [
                {"name": name, "time": at, "value": _text(value)}
                for name, value in changes.items()
                if name in OF_A_CASE and value is not None
            ]
            self._meet(record)
        self.written.objects[workflow] += 1
        return {
            "id": number, "type": workflow, "attributes": attributes,
            "relationships": [*self._stands(last), *self._links(last.get("links") or ())],
        }  # fmt: skip

    def _meet(self, record: Record) -> None:
        """Remember whom and what this event names, and of which types its answers are."""
        if record.department is not None:
            self._departments.add(record.department)
        self._people |= {key for _, key in _persons(record)}
        said = self._said[_type_of(record)]
        for name, value in _answers(record):
            said[name].add(_type(value))

    def _stands(self, last: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        if last.get("department"):
            yield _related(_of_department(last["department"]), "responsible")
        for name in ("reporter", "assignee"):
            if (key := last.get(name)) and key in self._people:
                yield _related(_of_person(key), name)

    def _links(self, links: Iterable[Mapping[str, str]]) -> Iterator[dict[str, str]]:
        """Those cases that are there as well: a bond may be told before the other one's events have their numbers."""
        found = list(links)
        if found:
            with self._database.read(self._organisation) as connection:
                first = {
                    link["number"]: trail.position_of(connection, self._organisation, link["number"], 1)
                    for link in found
                }
            for link in found:
                position = first[link["number"]]
                if position is not None and position < self._size:
                    yield _related(link["number"], link["kind"])

    def _department(self, code: str, name: Text | None) -> dict[str, Any]:
        self.written.objects[DEPARTMENT] += 1
        attributes = [] if name is None else [{"name": "name", "time": ALWAYS, "value": name.zh}]
        return {"id": _of_department(code), "type": DEPARTMENT, "attributes": attributes, "relationships": []}

    def _person(self, key: str, person: Person | None) -> dict[str, Any]:
        self.written.objects[PERSON] += 1
        attributes, related = [], []
        if person is not None and self._with_names:
            attributes = [
                {"name": name, "time": ALWAYS, "value": value}
                for name, value in (("name", person.name), ("post", person.post))
                if value
            ]
        if person is not None and person.organisation == self._organisation and person.department in self._departments:
            related = [_related(_of_department(str(person.department)), "member_of")]
        return {"id": _of_person(key), "type": PERSON, "attributes": attributes, "relationships": related}

    # --- types, which are known by now -------------------------------------------------------------------------------

    def object_types(self) -> list[dict[str, Any]]:
        """Those there are objects of."""
        of_people = {"name": "string", "post": "string"} if self._with_names else {}
        others = {DEPARTMENT: {"name": "string"}, PERSON: of_people}
        return [_typed(each, others.get(each, OF_A_CASE)) for each in sorted(self.written.objects)]

    def event_types(self) -> list[dict[str, Any]]:
        return [
            _typed(name, {**OF_AN_EVENT, **{each: self._answer_type(name, each) for each in sorted(said)}})
            for name, said in sorted(self._said.items())
        ]

    def _answer_type(self, event_type: str, name: str) -> str:
        """What was said each time; text where it was not each time the same kind of thing."""
        kinds = self._said[event_type][name]
        return next(iter(kinds)) if len(kinds) == 1 else "string"

    # --- events ------------------------------------------------------------------------------------------------------

    def events(self, progress: Progress) -> Iterator[dict[str, Any]]:
        for record in progress(records.in_order(self._database, self._organisation, self._size)):
            if record.number != LOGBOOK:
                yield self._event(record)

    def _event(self, record: Record) -> dict[str, Any]:
        said, name = record.read(), _type_of(record)
        self.written.events[name] += 1
        values = {
            "position": record.position, "sequence": record.sequence, "from_state": said["from"], "to_state": said["to"],
            "found_at": said["found_at"], "actor": said["actor"], "on_behalf_of": said["on_behalf_of"],
            "policy_version": said["policy"], "calendar_version": said["calendar"], "hash": record.hash,
        }  # fmt: skip
        values |= dict(_answers(record))
        related = {"case": record.number}
        if record.department is not None:
            related["department"] = _of_department(record.department)
        related |= {qualifier: _of_person(key) for qualifier, key in _persons(record)}
        return {
            "id": f"{record.number}#{record.sequence}",
            "type": name,
            "time": said["recorded_at"],
            "attributes": [
                {"name": each, "value": _text(value)} for each, value in values.items() if value is not None
            ],
            "relationships": [_related(related[each], each) for each in QUALIFIERS if each in related],
        }


def _type_of(record: Record) -> str:
    said = record.read()
    kind = said["type"]
    if kind == "stepped":
        return f"{record.workflow}.{said['trigger']}"
    return f"{record.workflow}.{said['trigger']}.signed" if kind == "signed" else f"{record.workflow}.{kind}"


def _persons(record: Record) -> Iterator[tuple[str, str]]:
    """Qualifier and key of everybody this event relates to."""
    said = record.read()
    if record.assignee is not None:
        yield "assignee", record.assignee
    for name in ("on_behalf_of", "actor"):
        kind, _, key = (said[name] or "").partition(":")
        if kind == "person":
            yield name, key


def _changes(record: Record) -> dict[str, Any]:
    """What changed of the case, under the names a case's attributes have here; of what was cleared, what is left."""
    changes = record.changes()
    if "clock" in changes:
        clock = changes.pop("clock")
        changes["due_at"] = None if clock is None else clock["due_at"]
    return changes


def _answers(record: Record) -> Iterator[tuple[str, Any]]:
    """What was said, by the attribute it becomes; of what was cleared, what is left."""
    for name, value in record.answers().items():
        if value not in (None, "", [], {}):
            yield f"data.{name}", value


def _type(value: object) -> str:
    return "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "string"


def _text(value: object) -> str:
    """A value as the format's schema wants each: as text, of which the declared type says what it stands for. What is neither
    text nor a number nor yes or no is JSON within it.
    """
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _related(target: str, qualifier: str) -> dict[str, str]:
    return {"objectId": target, "qualifier": qualifier}


def _typed(name: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "attributes": [{"name": each, "type": kind} for each, kind in attributes.items()]}


def _of_department(code: str) -> str:
    return f"{DEPARTMENT}:{code}"


def _of_person(key: str) -> str:
    return f"{PERSON}:{key}"
