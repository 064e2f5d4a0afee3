"""Personal data of a person cleared everywhere it lies, so that every proof still holds and the records say that it was done.

An event's envelope holds keys and hashes only, and stays. What it committed to is kept beside it: there the value loses the
person's name and the commitment its salt, so that nobody can find the name by trying names. The key stays as a pseudonym. The
logbook commits to what is left, under a salt of its own (`nonce`), which goes as well once more of it is cleared.

    1. the account: it signs in no more
    2. cases, some at a time: entries of their events, then the case as its events tell it anew
    3. what was told of them, and every other place where somebody may have written the name
    4. the pictures that were named
    5. the person's row, last: as long as it is there, somebody who was interrupted can begin again

Each transaction writes into the logbook what it cleared. A Word file that the organisation fills in for its papers is not written
anew, which might break it: where one says what is looked for it is named, before and afterwards, until it is replaced.
"""

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Table, and_, delete, or_, select, update
from sqlalchemy.exc import DBAPIError

from api.evidence.store import FileStore
from api.keeping import word_files
from engine.actor import system
from engine.audit import commit_with
from engine.case import TAKEN_OVER, fold
from engine.directory import Person
from engine.errors import Busy, FolderError, Text
from engine.events import LOGBOOK
from engine.handle import Engine, note_in
from engine.store import cases, files, history, people, templates
from engine.store.database import Connection, Database, naming, table_of
from engine.store.tables import (
    AnswerRow,
    CaseRow,
    DirectoryChangeRow,
    DisclosureRow,
    FeedRow,
    FileHolderRow,
    GroupRow,
    OutboxRow,
    PasswordRow,
    PersonRow,
    PlaceLabelRow,
    RefusalRow,
    SavedViewRow,
    SessionRow,
    TokenRow,
)
from notifications.tables import (
    ChannelRow,
    ChannelStateRow,
    DeliveryRow,
    DigestRow,
    InboxMessageRow,
    MessageTextRow,
    PreferenceRow,
    UnreachedRow,
)

CLEARED = "▇▇"  # in place of a name; shorter than any name that is looked for, so no text outgrows its column
SHORTEST = 2  # characters; a name of one would be found in every sentence
SHORTEST_NUMBER = 4  # of a staff number; `12` is in every address
CASES_AT_ONCE = 10  # in one transaction: nobody is held up for long
ROWS_AT_ONCE = 100

T = TypeVar("T")

#: table → the columns in which somebody may have written a name. A column of another table that could hold one has to be
#: entered here, and a test asks for it.
SEARCHED: Mapping[Table, tuple[str, ...]] = {
    table_of(OutboxRow): ("about",),
    table_of(DeliveryRow): ("about", "addressee_data", "told", "answer"),
    table_of(InboxMessageRow): ("subject", "body"),
    table_of(DigestRow): ("waiting",),
    table_of(UnreachedRow): ("cause",),
    table_of(ChannelRow): ("title", "settings"),
    table_of(ChannelStateRow): ("answer",),  # of a service, which may quote an address
    table_of(MessageTextRow): ("text",),
    table_of(RefusalRow): ("sentence", "route", "number", "asked"),  # an address is what somebody typed, too
    table_of(FileHolderRow): ("name",),
    table_of(DirectoryChangeRow): ("about",),
    table_of(TokenRow): ("label",),
    table_of(SavedViewRow): ("name", "said"),
    table_of(GroupRow): ("name_zh", "name_en"),
    table_of(PlaceLabelRow): ("place",),
    table_of(AnswerRow): ("key",),  # which whoever asks makes up
}
#: how the entries of an event begin that hold what somebody typed (`engine.store.history`); and those that are answers
TYPED = ("data.", *(f"{kind}.{of}" for kind in ("kept", "set") for of in ("facts.", "title", "place")))
ANSWERS = ("data.", "kept.")
_TAKEN_OVER = f".{TAKEN_OVER}"
_SIGN_IN = (table_of(PasswordRow), table_of(SessionRow), table_of(TokenRow))
#: what is kept of him as a reader, by the column with his key: gone with the account, since nothing is sent to him any more
_AS_READER = (
    (table_of(PreferenceRow), "person"),
    (table_of(UnreachedRow), "person"),
    (table_of(DigestRow), "addressee"),
    (table_of(SavedViewRow), "person"),
    (table_of(FeedRow), "person"),
)
_disclosures = table_of(DisclosureRow)
_cases = table_of(CaseRow)
_deliveries = table_of(DeliveryRow)
_changes = table_of(DirectoryChangeRow)
_people = table_of(PersonRow)
_answers = table_of(AnswerRow)

#: everything a run may have written to, for whoever has to write it anew
REWRITTEN = sorted(
    {
        str(table.name)
        for table in (*SEARCHED, *_SIGN_IN, *(t for t, _ in _AS_READER), _disclosures, _cases, _people, _answers)
    }
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to clear.

    also       what else he is called: a former name, a nickname, another number
    pictures   hashes of files that show him
    """

    organisation: str
    person: str
    reason: str
    also: Sequence[str] = ()
    pictures: Sequence[str] = ()


@dataclass
class Found:
    """What there is to clear, or was cleared.

    names      what was looked for
    entries    (case, sequence, names of entries) of events
    rows       table → how many
    untouched  what is not looked for, since it is too short or is the key itself
    papers     kinds of paper whose Word template, the organisation's own, says it; not touched
    linked     accounts of the same human being in other organisations, which are not touched
    notes      sequences in the logbook
    """

    names: Sequence[str] = ()
    entries: list[tuple[str, int, list[str]]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    untouched: Sequence[str] = ()
    papers: Sequence[str] = ()
    linked: Sequence[str] = ()
    notes: list[int] = field(default_factory=list)
    rewritten: bool = False


def look_for(database: Database, wanted: Wanted) -> Found:
    """What would be cleared. Raises FolderError for nobody's key, an unknown picture, a reason that names him."""
    run = _Run.begin(database, wanted)
    found = run.found()
    found.entries = [(number, sequence, names) for number, sequence, names in run.entries() if names]
    found.rows = {str(table.name): len(keys) for table in SEARCHED if (keys := run.rows_of(table))}
    found.pictures = list(wanted.pictures)
    return found


def erase(
    engine: Engine, store: FileStore, wanted: Wanted, progress: Callable[[float], None] = lambda _: None
) -> Found:
    """Clear it. Whoever is interrupted begins again: what was cleared is told, and the rest is found.

    progress   told the part that is done, 0 to 1
    Raises     as `look_for`; Busy where the database is away
    """
    run = _Run.begin(engine.database, wanted)
    found = run.found()
    entries = list(run.entries())
    rows = {table: run.rows_of(table) for table in SEARCHED}
    whole, done = 3 + len(entries) + sum(map(len, rows.values())), 0
    with engine.database.write(wanted.organisation) as connection:
        run.close_account(engine, connection, found)
    for numbers in _some(dict.fromkeys(number for number, _, _ in entries), CASES_AT_ONCE):
        with engine.database.write(wanted.organisation) as connection:
            run.clear_cases(engine, connection, numbers, found)
        progress((done := done + len(numbers)) / whole)
    for table, keys in rows.items():
        for some in _some(keys, ROWS_AT_ONCE):
            with engine.database.write(wanted.organisation) as connection:
                run.clear_rows(engine, connection, table, some, found)
            progress((done := done + len(some)) / whole)
    if wanted.pictures:
        with engine.database.write(wanted.organisation) as connection:
            run.clear_pictures(engine, connection, found)
        for sha256 in wanted.pictures:  # after their rows say so: bytes that were meant to go are found by them
            store.remove(wanted.organisation, sha256)
    with engine.database.write(wanted.organisation) as connection:
        run.clear_person(engine, connection, found)
    progress(1)
    return found


def rewrite(database: Database) -> Text | None:
    """Take what was cleared out of the database's files, too. What remains, in words; None where nothing does."""
    try:
        if database.rewrite(REWRITTEN):
            return None
    except (Busy, DBAPIError):
        pass
    if database.on_server:
        tables = ", ".join(REWRITTEN)
        return Text(
            f"旧内容仍在数据库文件中，直到表的属主执行 VACUUM (FULL) {tables}",
            f"what it was is in the database's files until the owner of the tables has run VACUUM (FULL) {tables}",
        )
    return Text(
        "旧内容仍在数据库文件中：有人正在读取。请停止 bihuan serve 后再次运行本命令",
        "what it was is still in the database's file, since somebody was reading: stop `bihuan serve` and run this again",
    )


# --- what is looked for ----------------------------------------------------------------------------------------------


class Mask:
    """Takes names out of texts. A text that is nothing but somebody's key stays: it is chained, and a pseudonym."""

    def __init__(self, names: Iterable[str], keys: Iterable[str]) -> None:
        longest_first = sorted(set(names), key=lambda name: (-len(name), name))
        self._pattern = re.compile("|".join(map(_whole, longest_first)) or r"(?!)", re.IGNORECASE)
        self._keys = frozenset(keys)

    def __call__(self, value: Any) -> Any:
        """The same value without the names, whatever it is made of; the very same where there is none in it."""
        if isinstance(value, str):
            return value if value in self._keys else self._pattern.sub(CLEARED, value)
        if isinstance(value, list):
            return [self(each) for each in value]
        if isinstance(value, dict):
            return {name: self(each) for name, each in value.items()}
        return value


def names_any(value: Any, hashes: Collection[str]) -> bool:
    """Whether an answer names one of these files, however deep: as each item of an inspection does its photos."""
    if isinstance(value, str):
        return value in hashes
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(names_any(each, hashes) for each in inside)


def _whole(name: str) -> str:
    """A name in Latin letters, or a number, stands by itself; one in Chinese has no spaces around it."""
    before, after = (
        (r"(?<![0-9A-Za-z])" if _is_latin(name[0]) else ""),
        (r"(?![0-9A-Za-z])" if _is_latin(name[-1]) else ""),
    )
    return before + re.escape(name) + after


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


@dataclass(frozen=True)
class _Run:
    database: Database
    wanted: Wanted
    person: Person
    mask: Mask
    names: Sequence[str]
    untouched: Sequence[str]
    linked: Sequence[str]

    @classmethod
    def begin(cls, database: Database, wanted: Wanted) -> "_Run":
        organisation = wanted.organisation
        with database.read(organisation) as connection:
            person = people.person(connection, organisation, wanted.person)
            if person is None or person.organisation != organisation:
                raise _nobody(wanted.person)
            keys = {each.person for each in people.people(connection, organisation)}
            called = {*_called(connection, person), *map(str.strip, wanted.also)} - {"", CLEARED}
            for sha256 in wanted.pictures:
                if files.find(connection, organisation, sha256) is None:
                    raise _no_picture(sha256)
            linked = _linked(connection, person)
        numbers = {person.staff_number}
        names = sorted(
            name for name in called
            if name != wanted.person and len(name) >= (SHORTEST_NUMBER if name in numbers else SHORTEST)
        )  # fmt: skip
        mask = Mask(names, keys)
        if mask(wanted.reason) != wanted.reason:
            raise _names_him()
        return cls(database, wanted, person, mask, names, sorted(called.difference(names)), linked)

    def found(self) -> Found:
        return Found(names=self.names, untouched=self.untouched, papers=self.papers(), linked=self.linked)

    # --- where it is ---

    def entries(self) -> Iterator[tuple[str, int, list[str]]]:
        """(case, sequence, names of the entries) of every event that says what is looked for."""
        with self.database.read(self.wanted.organisation) as connection:
            for number, sequence, entries in history.all_entries(connection, self.wanted.organisation):
                if names := [name for name, entry in entries.items() if self._left(name, entry) is not None]:
                    yield number, sequence, names

    def _left(self, name: str, entry: Mapping[str, Any]) -> list[Any] | None:
        """What is to be left of an entry's value, in a list; None where it stays as it is.

        Of what an event changed of a case only texts are looked at: the rest are keys, states and instants. What names a
        picture keeps its hash; it only says that nobody need look for the bytes. Which line of an older ledger a case is, is a hash of
        the words there: by it the name would be found by trying names.
        """
        value = entry["value"]
        if name.startswith(TYPED):
            left = self.mask(value)
            if left != value:
                return [_another_line(left) if name.endswith(_TAKEN_OVER) else left]
        if name.startswith(ANSWERS) and "erased" not in entry and names_any(value, self.wanted.pictures):
            return [value]
        return None

    def papers(self) -> list[str]:
        """Kinds of paper whose template says it."""
        here = self.wanted.organisation
        with self.database.read(here) as connection:
            own = {paper: templates.content(connection, here, paper) for paper in templates.all_of(connection, here)}
        return sorted(
            paper for paper, content in own.items()
            if content is not None and word_files.says(content, lambda text: self.mask(text) != text)
        )  # fmt: skip

    def rows_of(self, table: Table) -> list[tuple[Any, ...]]:
        """The keys of the rows of a table that say it."""
        key, columns = list(table.primary_key), [*map(table.c.__getitem__, SEARCHED[table])]
        more = [table.c[name] for name in ("addressee",) if name in table.c]
        statement = select(*key, *more, *columns).where(table.c.organisation == self.wanted.organisation)
        with (
            self.database.read(self.wanted.organisation) as connection,
            connection.execute(statement.execution_options(yield_per=history.ENTRIES_AT_ONCE)) as rows,
        ):
            return [tuple(row)[: len(key)] for row in rows if self._cleared(table, row._mapping)]

    def _cleared(self, table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
        """What of a row has to be otherwise."""
        left = {name: self.mask(row[name]) for name in SEARCHED[table]}
        if table is _deliveries and row["addressee"] == self.wanted.person:
            left["addressee_data"] = {**row["addressee_data"], "name": CLEARED, "addresses": {}}
        if table is _changes and row["about"].get("person") == self.wanted.person and row["about"].get("post"):
            left["about"] = {**left["about"], "post": CLEARED}
        if table is _answers and left["key"] != row["key"]:
            left["key"] = f"{CLEARED}{secrets.token_hex(16)}"  # no two may be the same afterwards
        return {name: value for name, value in left.items() if value != row[name]}

    # --- clearing it, each in one transaction with its note ---

    def close_account(self, engine: Engine, connection: Connection, found: Found) -> None:
        organisation, person = self.wanted.organisation, self.wanted.person
        his = (*((table, "person") for table in _SIGN_IN), *_AS_READER)
        rows = {
            str(table.name): connection.execute(
                delete(table).where(table.c.organisation == organisation, table.c[column] == person)
            ).rowcount
            for table, column in his
        }
        waiting = connection.execute(
            update(_deliveries)
            .where(
                _deliveries.c.organisation == organisation,
                _deliveries.c.addressee == person,
                _deliveries.c.status.in_(("waiting", "sending", "held")),
            )
            .values(status="withdrawn", lease_until=None, fence=_deliveries.c.fence + 1)
        )
        rows["delivery"] = waiting.rowcount
        if self.person.active:
            here = (_people.c.organisation == organisation, _people.c.person == person)
            connection.execute(update(_people).where(*here).values(active=False))
            people.record_change(connection, organisation, "system", "erased", {"person": person}, engine.clock.now())
        self._note(
            engine, connection, found, rows={name: count for name, count in rows.items() if count}, step="account"
        )

    def clear_cases(self, engine: Engine, connection: Connection, numbers: Sequence[str], found: Found) -> None:
        organisation, cleared = self.wanted.organisation, list[tuple[str, int, dict[str, str]]]()
        for number in sorted(numbers):  # locked in the order in which everybody locks
            cases.load(connection, organisation, number, lock=True)
        told_in = history.last_of(connection, organisation, LOGBOOK).sequence + 1
        for number in sorted(numbers):
            for sequence, entries in history.entries_of(connection, organisation, number).items():
                left = {name: self._left(name, entry) for name, entry in entries.items()}
                changed, commitments = dict[str, dict[str, Any]](), dict[str, str]()
                for name, kept in left.items():
                    if kept is not None:
                        to_it = commit_with(engine.draw, kept[0])
                        changed[name] = {"erased": told_in, "value": kept[0], "nonce": to_it.salt.hex()}
                        commitments[name] = to_it.digest
                if changed:
                    history.erase(connection, organisation, number, sequence, {**entries, **changed})
                    cleared.append((number, sequence, commitments))
                    forgotten = {
                        "request_hash": ""
                    }  # which fits no request: one that comes again is refused, and not carried out twice
                    if any(name.endswith(_TAKEN_OVER) for name in changed):  # it was asked under the key of its line
                        forgotten["key"] = f"{CLEARED}{secrets.token_hex(16)}"
                    connection.execute(
                        update(_answers)
                        .where(
                            _answers.c.organisation == organisation,
                            _answers.c.number == number,
                            _answers.c.sequence == sequence,
                        )
                        .values(forgotten)
                    )
            if number != LOGBOOK:
                events = history.events_of(connection, organisation, number)
                told_anew = fold([event.changes for event in events], last_hash=events[-1].hash)
                cases.say_otherwise(connection, told_anew)
        if cleared:
            noted = self._note(engine, connection, found, cleared=cleared, step="cases")
            assert noted == told_in, "the logbook was locked"
            found.entries += [(number, sequence, list(names)) for number, sequence, names in cleared]

    def clear_rows(
        self, engine: Engine, connection: Connection, table: Table, keys: Sequence[tuple[Any, ...]], found: Found
    ) -> None:
        cleared = 0
        for key in keys:
            here = and_(*(column == value for column, value in zip(table.primary_key, key, strict=True)))
            row = connection.execute(select(table).where(here).with_for_update()).first()
            if row is not None and (left := self._cleared(table, row._mapping)):
                connection.execute(update(table).where(here).values(left))
                cleared += 1
        if cleared:
            self._note(engine, connection, found, rows={str(table.name): cleared}, step="rows")

    def clear_pictures(self, engine: Engine, connection: Connection, found: Found) -> None:
        organisation = self.wanted.organisation
        told_in = history.last_of(connection, organisation, LOGBOOK).sequence + 1
        for sha256 in self.wanted.pictures:
            record = files.find(connection, organisation, sha256)
            if record is not None and record.erased is None:
                files.mark_erased(connection, organisation, sha256, told_in)
                found.pictures.append(sha256)
        if found.pictures:
            self._note(engine, connection, found, files=found.pictures, step="pictures")

    def clear_person(self, engine: Engine, connection: Connection, found: Found) -> None:
        here = (_people.c.organisation == self.wanted.organisation, _people.c.person == self.wanted.person)
        nothing: dict[str, Any] = {"name": CLEARED, "addresses": {}, "post": "", "staff_number": None}
        connection.execute(update(_people).where(*here).values(nothing))
        self._note(engine, connection, found, rows={"person": 1}, step="person")

    def _note(
        self,
        engine: Engine,
        connection: Connection,
        found: Found,
        *,
        step: str,
        cleared: Sequence[tuple[str, int, Mapping[str, str]]] = (),
        rows: Mapping[str, int] | None = None,
        files: Sequence[str] = (),
    ) -> int:
        about = {
            "person": self.wanted.person, "reason": self.wanted.reason, "step": step,
            "cleared": [list(each) for each in cleared], "rows": dict(rows or {}), "files": list(files),
        }  # fmt: skip
        event = note_in(engine, connection, system(self.wanted.organisation), "erased", about)
        found.notes.append(event.sequence)
        for table, count in (rows or {}).items():
            found.rows[table] = found.rows.get(table, 0) + count
        return event.sequence


def _called(connection: Connection, person: Person) -> set[str]:
    """Everything he is or was called by, and reached at, as far as it is on record."""
    found = {person.name, person.staff_number, *person.addresses.values()}
    for change in people.changes(connection, person.organisation):
        if change["about"].get("person") == person.person:
            found |= {change["about"].get("name"), change["about"].get("staff_number")}
    mine = (_deliveries.c.organisation == person.organisation, _deliveries.c.addressee == person.person)
    for data in connection.execute(select(_deliveries.c.addressee_data).where(*mine)).scalars():
        found |= {data.get("name"), *data.get("addresses", {}).values()}
    return {name.strip() for name in found if isinstance(name, str)}


def _linked(connection: Connection, person: Person) -> list[str]:
    if person.human is None:
        return []
    naming(connection, person.human)
    others = or_(_people.c.organisation != person.organisation, _people.c.person != person.person)
    rows = connection.execute(select(_people).where(_people.c.human == person.human, others))
    return sorted(f"{row.person}@{row.organisation}" for row in rows)


def _another_line(taken: Any) -> Any:
    """What is kept of an older ledger's line, under a key that nothing leads to."""
    return {**taken, "key": secrets.token_hex(32)} if isinstance(taken, dict) and "key" in taken else taken


def _some(values: Iterable[T], count: int) -> Iterator[list[T]]:
    left = iter(values)
    while some := list(islice(left, count)):
        yield some


def _nobody(key: str) -> FolderError:
    return FolderError(
        Text(
            f"本单位没有账号 {key!r}，没有清除任何内容。请用其账号（不是姓名或工号）。",
            f"There is no account {key!r} in this organisation; nothing was cleared. Name the account's key, not a name or number.",
        )
    )


def _no_picture(sha256: str) -> FolderError:
    return FolderError(
        Text(
            f"没有文件 {sha256!r}，没有清除任何内容。请给出记录中的 SHA-256。",
            f"There is no file {sha256!r}; nothing was cleared. Give the SHA-256 that the records have.",
        )
    )


def _names_him() -> FolderError:
    return FolderError(
        Text(
            "事由中有要清除的姓名或号码，而事由会永久保留。没有清除任何内容：请用账号代替姓名。",
            "The reason holds what is to be cleared, and it is kept for good. Nothing was cleared: write the key in place of the name.",
        )
    )
