"""Cases as rows: load one, write one, draw its number, find the ones a rule compares with."""

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from engine.case import Case
from engine.store.database import speak_for, speaking_for, table_of, upsert
from engine.store.statements import Question, Row, Statement, ask
from engine.store.tables import WORDS, CaseRow, PartyRow, SeriesRow

_cases = table_of(CaseRow)
_parties = table_of(PartyRow)
_series = table_of(SeriesRow)

_BODY = select(_cases.c.body, _cases.c.last_hash).where(
    _cases.c.organisation == bindparam("organisation"), _cases.c.number == bindparam("number")
)
_LOAD = Statement(_BODY)
_LOAD_LOCKED = Statement(_BODY.with_for_update())  # SQLite knows no such clause, and needs none
_SAME_NAMES = (
    "organisation", "number", "workflow", "version", "state", "counts_as", "final", "revision", "sequence", "last_hash",
    "title", "place", "category", "level", "department", "reporter", "assignee", "opened_at", "closed_at",
)  # fmt: skip
_DERIVED_NAMES = (
    "due_at",
    "calendar_version",
    "awaits",
    "words",
    "longer",
    "taken",
    "since",
    "until",
    "within",
    "body",
)

# prebuilt: putting a statement together costs more than running it
_MANY = select(_cases.c.number, _cases.c.body, _cases.c.last_hash).where(
    _cases.c.organisation == bindparam("organisation"), _cases.c.number.in_(bindparam("numbers", expanding=True))
)
_INSERT = Statement(insert(_cases))
_SAVE = Statement(
    update(_cases)
    .where(
        _cases.c.organisation == bindparam("of_organisation"),
        _cases.c.number == bindparam("of_number"),
        _cases.c.sequence == bindparam("of_sequence"),
    )
    .values({name: bindparam(name) for name in (*_SAME_NAMES[2:], *_DERIVED_NAMES)})
)
_JOIN = Statement(upsert(_parties).on_conflict_do_nothing())
_WAIT = Statement(
    update(_parties)
    .where(
        _parties.c.organisation == bindparam("of_organisation"),
        _parties.c.person == bindparam("of_person"),
        _parties.c.number == bindparam("of_number"),
    )
    .values(waits=bindparam("waits"))
)
_COUNT_ON = Statement(
    update(_series)
    .where(
        _series.c.organisation == bindparam("of_organisation"),
        _series.c.prefix == bindparam("of_prefix"),
        _series.c.year == bindparam("of_year"),
    )
    .values(last=bindparam("last"))
)
_LOCK_SERIES = Statement(
    upsert(_series)
    .values(organisation=bindparam("organisation"), prefix=bindparam("prefix"), year=bindparam("year"), last=0)
    .on_conflict_do_update(index_elements=["organisation", "prefix", "year"], set_={"last": _series.c.last})
    .returning(_series.c.last)
)
_DRAW = Statement(
    upsert(_series)
    .values(organisation=bindparam("organisation"), prefix=bindparam("prefix"), year=bindparam("year"), last=1)
    .on_conflict_do_update(index_elements=["organisation", "prefix", "year"], set_={"last": _series.c.last + 1})
    .returning(_series.c.last)
)


def load(connection: Connection, organisation: str, number: str, *, lock: bool = False) -> Case | None:
    """The case as it stands; with `lock` nobody else changes it before this transaction ends."""
    return loading(organisation, number, lock=lock).ask(connection)


def loading(organisation: str, number: str, *, lock: bool = False) -> Question[Case | None]:
    """As `load`, to be asked together with other questions."""
    statement = _LOAD_LOCKED if lock else _LOAD
    return Question(statement, {"organisation": organisation, "number": number}, _case)


def _case(rows: list[Row]) -> Case | None:
    return Case.from_json(rows[0].body, last_hash=rows[0].last_hash) if rows else None


def load_many(
    connection: Connection, organisation: str, numbers: Iterable[str], *, lock: bool = False
) -> dict[str, Case]:
    """Those there are, by number. Locked one by one in the order of their numbers, which is everybody's; else read at once."""
    wanted = sorted(set(numbers))
    if lock:
        found = (load(connection, organisation, number, lock=True) for number in wanted)
        return {case.number: case for case in found if case is not None}
    rows = connection.execute(_MANY, {"organisation": organisation, "numbers": wanted}) if wanted else ()
    return {row.number: Case.from_json(row.body, last_hash=row.last_hash) for row in rows}


def save(
    connection: Connection,
    before: Case | None,
    after: Case,
    awaits: Iterable[str],
    waited: Collection[str] = (),
    waits: Collection[str] = (),
) -> None:
    """Write the case down. `before` is the case as it was loaded in this transaction, None for a new one.

    waited, waits   for whom the case waited by name, and for whom it does now; each has part in it
    Raises RuntimeError when the row moved in between: the transaction did not hold the lock it should have held.
    """
    values = columns(after, awaits)
    if before is None:
        _INSERT.put(connection, values)
    else:
        key = {"of_organisation": after.organisation, "of_number": after.number, "of_sequence": before.sequence}
        _SAVE.put(connection, {**values, **key}, check=partial(_must_have_been, before))
    known = _people(before) if before else set()
    joined = sorted(_people(after) - known)
    now_waits, waited_before = frozenset(waits), frozenset(waited)
    if joined:
        named = {"organisation": after.organisation, "number": after.number}
        _JOIN.put(connection, *({**named, "person": person, "waits": person in now_waits} for person in joined))
    if others := sorted((now_waits ^ waited_before) - set(joined)):
        here = {"of_organisation": after.organisation, "of_number": after.number}
        _WAIT.put(connection, *({**here, "of_person": person, "waits": person in now_waits} for person in others))


def say_otherwise(connection: Connection, case: Case) -> None:
    """Write down anew what a case says in words, after something was cleared from its events: how it stands is the same."""
    said = columns(case, ())
    here = (_cases.c.organisation == case.organisation, _cases.c.number == case.number)
    names = ("title", "place", "words", "longer", "taken", "body")
    connection.execute(update(_cases).where(*here).values({name: said[name] for name in names}))


def _must_be_there(series: tuple[str, str, int], changed: int) -> None:
    if changed != 1:
        raise RuntimeError(f"the series {series} that numbers were drawn from is not there")


def _must_have_been(before: Case, changed: int) -> None:
    if changed != 1:
        raise RuntimeError(f"case {before.number!r} moved on from sequence {before.sequence} under a held lock")


def _people(case: Case) -> set[str]:
    current = {person for person in (case.reporter, case.assignee) if person is not None}
    return current.union(*case.acted.values())


def words_of(case: Case) -> str:
    """What a search looks through."""
    described = " ".join(str(value) for value in case.facts.values() if isinstance(value, str))
    if case.claim is not None and case.claim.number:
        described = f"{described} {case.claim.number}"
    return f"{case.number} {case.title} {case.place} {described}".lower()


def columns(case: Case, awaits: Iterable[str]) -> dict[str, Any]:
    """The row of a case, by column: its body, and beside it what lists filter and sort by."""
    words, claim = words_of(case), case.claim
    return {
        **{name: getattr(case, name) for name in _SAME_NAMES},
        "due_at": case.due_at,
        "calendar_version": case.clock.calendar_version if case.clock else None,
        "awaits": "".join(f" {name} " for name in awaits),
        "words": words[:WORDS],
        "longer": words if len(words) > WORDS else None,
        "taken": claim and claim.key,
        "since": claim and claim.since,
        "until": claim and claim.until,
        "within": case.within,
        "body": case.to_json(),
    }


class Numbers:
    """The numbers one group draws: each series is asked for once, which locks it, and counted on from there. Undone with the
    transaction, so a series has no gaps.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[tuple[str, str, int], int] = {}
        self._marked: dict[tuple[str, str, int], int] = {}
        self._counted_on: set[tuple[str, str, int]] = set()

    def draw(self, organisation: str, prefix: str, year: int) -> str:
        """The next number of a series, `YH-2020-0012`."""
        series = organisation, prefix, year
        if series not in self._last:
            key = {"organisation": organisation, "prefix": prefix, "year": year}
            [drawn] = _DRAW.all(self._connection, key)
            self._last[series] = drawn.last
        else:
            self._last[series] += 1
            self._counted_on.add(series)
        return f"{prefix}-{year}-{self._last[series]:04d}"

    def lock(self, series: Iterable[tuple[str, str, int]]) -> str:
        """Lock these, (organisation, prefix, year), in one order for everybody, at least one. On a server: elsewhere nobody else
        draws. Gives the organisation that the transaction speaks for afterwards.
        """
        wanted = sorted(set(series))
        asked = [
            Question(
                _LOCK_SERIES,
                {"organisation": organisation, "prefix": prefix, "year": year},
                lambda rows: rows[0].last,
                before=speaking_for(organisation),
            )
            for organisation, prefix, year in wanted
        ]
        self._last.update(zip(wanted, ask(self._connection, asked), strict=True))
        return wanted[-1][0]

    def write_down(self) -> None:
        """How far each series was counted on: the last thing its group writes, each behind the wall of its organisation."""
        counted_on = sorted(self._counted_on & self._last.keys())
        for series in counted_on:
            organisation, prefix, year = series
            speak_for(self._connection, organisation)
            here = {"of_organisation": organisation, "of_prefix": prefix, "of_year": year, "last": self._last[series]}
            _COUNT_ON.put(self._connection, here, check=partial(_must_be_there, series))

    def mark(self) -> None:
        """What is drawn from here on can be given back."""
        self._marked = dict(self._last)

    def back_to_mark(self) -> None:
        """What was drawn since was never drawn: its command is undone, with the lock it took."""
        self._last = dict(self._marked)


def closed_alike(connection: Connection, case: Case, same: tuple[str, ...], since: datetime) -> list[str]:
    """Numbers of cases of the same workflow that agree with this one in these columns and were closed between `since` and
    its opening, newest first.
    """
    agreed = {name: getattr(case, name) for name in ("organisation", "workflow", *same)}
    rows = _closed_alike(same).all(connection, {**agreed, "since": since, "until": case.opened_at})
    return [row.number for row in rows]


@cache
def _closed_alike(same: tuple[str, ...]) -> Statement:
    return Statement(
        select(_cases.c.number)
        .where(
            *(_cases.c[name] == bindparam(name) for name in ("organisation", "workflow", *same)),
            _cases.c.state == "closed",
            _cases.c.closed_at.between(bindparam("since"), bindparam("until")),
        )
        .order_by(_cases.c.closed_at.desc(), _cases.c.number.desc())
    )


def open_under_older_calendar(
    connection: Connection, organisation: str, version: int, last: int | None = None
) -> list[str]:
    """Open cases whose deadline was worked out with a calendar before this version, oldest deadline first.

    last    so many at most: those that fall due last
    """
    statement = select(_cases.c.number).where(
        _cases.c.organisation == organisation, text("NOT case_record.final"), _cases.c.calendar_version < version
    )
    if last is None:
        return list(connection.execute(statement.order_by(_cases.c.due_at, _cases.c.number)).scalars())
    backwards = statement.order_by(_cases.c.due_at.desc(), _cases.c.number.desc()).limit(last)
    return [*connection.execute(backwards).scalars()][::-1]


def definitions_in_use(connection: Connection) -> list[tuple[str, int]]:
    """(workflow, version) of every open case of every organisation: what start-up has to be able to run."""
    # written out, as the index that has only these is
    statement = select(_cases.c.workflow, _cases.c.version).where(text("NOT case_record.final")).distinct()
    return [(row.workflow, row.version) for row in connection.execute(statement)]


def definitions_of_other_series(connection: Connection, prefixes: Collection[str]) -> list[tuple[str, int]]:
    """(workflow, version) of every case, closed ones included, whose number begins with none of these.

    The series know which numbers were ever drawn, and are few: so no case is looked at where all are known.
    """
    found: set[tuple[str, int]] = set()
    others = select(_series.c.organisation, _series.c.prefix).where(_series.c.prefix.not_in(prefixes)).distinct()
    for organisation, prefix in connection.execute(others).all():
        theirs = select(_cases.c.workflow, _cases.c.version).distinct()
        under = _cases.c.number.startswith(f"{prefix}-", autoescape=True)
        found.update((row.workflow, row.version) for row in connection.execute(
            theirs.where(_cases.c.organisation == organisation, under)
        ))  # fmt: skip
    return sorted(found)


def any_of_version(connection: Connection, workflow: str, version: int) -> bool:
    """Whether any case is pinned to it, be it closed. Looks through all of them: ask of a version that is not carried alone."""
    statement = select(_cases.c.number).where(_cases.c.workflow == workflow, _cases.c.version == version).limit(1)
    return connection.execute(statement).first() is not None
