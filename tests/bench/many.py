"""A database with very many cases: twenty schools, twenty departments in each, dates over twenty-one months, two in a hundred
open. Made by the database itself from one real case of each state.

What it does not have: the timers and notices of these cases, and what their events disclose; nothing that is measured on it
reads these. An event's envelope is the shortest of the real ones.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from engine.case import instant_text
from engine.commands import Asked
from engine.handle import Outcome, handle
from engine.store.database import Database, table_of
from engine.store.tables import CaseRow, EventRow
from tests.bench.commands import STEPS, play
from tests.bench.grounds import Ground, Raw, an_engine
from tests.builders import START, a_school

SCHOOLS = [f"school{n:02}" for n in range(20)]
EVENTS = 5  # of each case
SPAN = timedelta(days=640)  # within which the cases were opened; the calendar is known for longer
NOW = START + SPAN
OPEN = 50  # one in so many
DEPARTMENTS = ["HQC", "BWC", "XB1", "DZB", *(f"D{n:02}" for n in range(16))]
CATEGORIES = [
    "ELEC.use",
    "ELEC.line",
    "ELEC",
    "FIRE.exit",
    "FIRE.extinguisher",
    "BUILD.wall",
    "ROAD.gate",
    "CANTEEN.gas",
]
DEFECTS = [
    "插座松动",
    "灭火器过期",
    "通道堵塞",
    "护栏松动",
    "井盖缺失",
    "电线老化",
    "玻璃破损",
    "墙皮脱落",
    "阀门漏水",
    "标志缺失",
]
PLACES = ["教学楼", "实训楼", "学生宿舍", "食堂", "图书馆", "体育馆", "锅炉房", "配电间", "校门口", "地下车库"]
RARE, RARELY = "孔雀", 1_000  # a word that one case in so many has
RANDOM = "((i * 7919) % 10007)"  # spreads whatever is counted by it
_BATCH = 200_000  # cases a statement


@dataclass(frozen=True)
class Template:
    """A real case that others are copied from."""

    number: str
    steps: int
    due_at: datetime | None


def fill(ground: Ground, database: Database, cases: int) -> None:
    """Write so many cases into a founded database, and their events."""
    for school in SCHOOLS:
        a_school(database, school)
    engine = an_engine(database)

    def ask(asked: Asked) -> Outcome:
        return handle(engine, [asked])[0]

    played = [play(ask, f"#{steps}#", steps) for steps in range(len(STEPS) + 1)]
    done = [Template(case.number, steps, case.due_at) for steps, case in enumerate(played)]
    with closing(ground.raw(database)) as raw:
        writer = _Server(raw) if database.on_server else _File(raw)
        writer.prepare()
        for name, words in (("defect", DEFECTS), ("place", PLACES), ("department", DEPARTMENTS), ("category", CATEGORIES), ("school", SCHOOLS)):  # fmt: skip
            writer.name(name, words)
        for begin, end in _batches(cases):
            for template in done:
                raw.run(_cases(writer, template, begin, end, cases))
            raw.run(_parties(begin, end))
            raw.run(_events(writer, done[-1], begin, end))
        raw.vacuum()


def _batches(cases: int) -> Iterator[tuple[int, int]]:
    yield from pairwise([*range(0, cases, _BATCH), cases])


def number_of(case: int) -> str:
    return f"YH-2020-9{case:08}"


def school_of(case: int) -> str:
    return SCHOOLS[case % len(SCHOOLS)]


class _File:
    """How SQLite says it."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def prepare(self) -> None:
        for pragma in ("synchronous = OFF", "cache_size = -400000", "temp_store = MEMORY"):
            self.raw.run(f"PRAGMA {pragma}")

    def name(self, name: str, words: list[str]) -> None:
        self.raw.run(f"CREATE TEMP TABLE a_{name} (n INTEGER PRIMARY KEY, word TEXT)")
        for n, word in enumerate(words):
            self.raw.run(f"INSERT INTO a_{name} VALUES ({n}, '{word}')")

    def numbers(self, begin: int, end: int) -> str:
        counting = f"SELECT {begin} UNION ALL SELECT i + 1 FROM counted WHERE i < {end - 1}"
        return f"(WITH RECURSIVE counted(i) AS ({counting}) SELECT i FROM counted)"

    def number(self) -> str:
        return "printf('YH-2020-9%08d', i)"

    def instant(self, seconds: str) -> str:
        """As a column has it: so many seconds after START."""
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {int(START.timestamp())} + {seconds}, 'unixepoch')"

    def written(self, seconds: str) -> str:
        """As a body has it."""
        return f"strftime('%Y-%m-%dT%H:%M:%S.000000Z', {int(START.timestamp())} + {seconds}, 'unixepoch')"

    def later(self, instant: str, seconds: int) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {instant}, '{seconds} seconds')"

    def text(self, column: str) -> str:
        return column

    def json(self, value: str) -> str:
        return value


class _Server(_File):
    """How PostgreSQL says it."""

    def prepare(self) -> None:
        self.raw.run("SET synchronous_commit = off")

    def numbers(self, begin: int, end: int) -> str:
        return f"(SELECT i FROM generate_series({begin}::bigint, {end - 1}) AS n(i))"

    def number(self) -> str:
        return "'YH-2020-9' || lpad(i::text, 8, '0')"

    def instant(self, seconds: str) -> str:
        return f"to_timestamp({int(START.timestamp())} + {seconds})"

    def written(self, seconds: str) -> str:
        return f"to_char({self.instant(seconds)} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.\"000000Z\"')"

    def later(self, instant: str, seconds: int) -> str:
        return f"{instant} + interval '{seconds} seconds'"

    def text(self, column: str) -> str:
        return f"{column}::text"

    def json(self, value: str) -> str:
        return f"({value})::json"


def _cases(say: _File, template: Template, begin: int, end: int, cases: int) -> str:
    seconds = f"CAST({SPAN.total_seconds() / cases} * i AS INTEGER)"
    opened = say.instant(seconds)
    due = f"({int(SPAN.total_seconds()) - 20 * 24 * 3600} + {RANDOM} * 260)"  # from twenty days ago to ten days on
    title = f"(defect.word || CASE WHEN i % {RARELY} = 7 THEN ' {RARE}' ELSE '' END)"
    where = "(place.word || ' ' || (i % 89))"
    body = say.text("body")
    named = f"'#{template.steps}#"
    for old, new in (
        (f"{named} 插座松动'", title),
        (f"'教学楼 #{template.steps}#'", where),
        (f"'{template.number}'", say.number()),
        ('\'"organisation":"school"\'', "'\"organisation\":\"' || school.word || '\"'"),
        ('\'"department":"HQC"\'', "'\"department\":\"' || department.word || '\"'"),
        ('\'"category":"ELEC.use"\'', "'\"category\":\"' || category.word || '\"'"),
        ("'\"teacher\"'", f"'\"' || {_reporter()} || '\"'"),
        ("'\"repairer\"'", f"'\"' || {_assignee()} || '\"'"),
        (f"'{instant_text(START)}'", say.written(seconds)),
        (f"'{instant_text(template.due_at or NOW)}'", say.written(due)),
    ):
        body = f"replace({body}, {old}, {new})"
    values = {
        "organisation": "school.word", "number": say.number(), "title": title, "place": where, "category": "category.word",
        "department": "CASE WHEN department IS NULL THEN NULL ELSE department.word END", "reporter": _reporter(),
        "assignee": f"CASE WHEN assignee IS NULL THEN NULL ELSE {_assignee()} END", "opened_at": opened,
        "due_at": f"CASE WHEN due_at IS NULL THEN NULL ELSE {say.instant(due)} END",
        "closed_at": f"CASE WHEN closed_at IS NULL THEN NULL ELSE {say.later(opened, 48 * 3600)} END",
        "level": "CASE WHEN level = '' THEN '' WHEN i % 97 = 5 THEN 'major' ELSE 'general' END",
        "words": f"replace(replace(replace(words, {named} 插座松动', {title}), '教学楼 #{template.steps}#', {where}), "
        f"'{template.number}', {say.number()})",
        "body": say.json(body),
    }  # fmt: skip
    names = table_of(CaseRow).columns.keys()
    is_open = f"{RANDOM} % {OPEN} = 3"
    which = (
        f"NOT ({is_open})"
        if template.steps == len(STEPS)
        else f"({is_open}) AND (i / 20) % {len(STEPS)} = {template.steps}"
    )
    named_columns = ", ".join(f'"{name}"' for name in names)
    given = ", ".join(values.get(name, f'case_record."{name}"') for name in names)
    given = given.replace("due_at IS", "case_record.due_at IS").replace(
        "WHEN department IS", "WHEN case_record.department IS"
    )
    return (
        f"INSERT INTO case_record ({named_columns}) SELECT {given} FROM {say.numbers(begin, end)} AS n"
        f" JOIN a_defect AS defect ON defect.n = {RANDOM} % {len(DEFECTS)}"
        f" JOIN a_place AS place ON place.n = (i / 3) % {len(PLACES)}"
        f" JOIN a_department AS department ON department.n = {RANDOM} % {len(DEPARTMENTS)}"
        f" JOIN a_category AS category ON category.n = {RANDOM} % {len(CATEGORIES)}"
        f" JOIN a_school AS school ON school.n = i % {len(SCHOOLS)}"
        f" CROSS JOIN case_record WHERE case_record.organisation = 'school'"
        f" AND case_record.number = '{template.number}' AND {which}"
    )


def _reporter() -> str:
    return "CASE WHEN (i / 20) % 100 = 3 THEN 'teacher' ELSE 'teacher' || ((i / 20) % 100) END"


def _assignee() -> str:
    return "CASE WHEN (i / 20) % 30 = 3 THEN 'repairer' ELSE 'repairer' || ((i / 20) % 30) END"


def _parties(begin: int, end: int) -> str:
    named = f"number BETWEEN '{number_of(begin)}' AND '{number_of(end - 1)}' AND organisation <> 'school'"
    people = ("reporter", "COALESCE(assignee, reporter || 's colleague')", "'safety_staff'", "'safety_head'")
    return "INSERT INTO party (organisation, person, number) " + " UNION ALL ".join(
        f"SELECT organisation, {person}, number FROM case_record WHERE {named}" for person in people
    )


def _events(say: _File, template: Template, begin: int, end: int) -> str:
    names = table_of(EventRow).columns.keys()
    values = {
        "organisation": "c.organisation", "number": "c.number", "recorded_at": say.later("c.opened_at", 3600),
        "envelope": "short.envelope",
    }  # fmt: skip
    named_columns = ", ".join(f'"{name}"' for name in names)
    given = ", ".join(values.get(name, f'e."{name}"') for name in names)
    here = f"organisation = 'school' AND number = '{template.number}'"
    return (
        f"INSERT INTO event ({named_columns}) SELECT {given} FROM case_record AS c"
        f" CROSS JOIN (SELECT * FROM event WHERE {here} AND sequence <= {EVENTS}) AS e"
        f" CROSS JOIN (SELECT envelope FROM event WHERE {here} ORDER BY length(envelope) LIMIT 1) AS short"
        f" WHERE c.number BETWEEN '{number_of(begin)}' AND '{number_of(end - 1)}' AND c.organisation <> 'school'"
    )


def middle() -> datetime:
    return START + SPAN / 2
