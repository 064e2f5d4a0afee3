"""Asking the trail of one school that has very many events: ten a case, over twenty-one months, a twentieth as many refusals.

Made by the database itself from one real case, reminded twice and returned once. The whole product serves, in a process of
its own, over HTTP; what is asked comes in families, each with what is seldom or nowhere to be found, and pages far back. On
SQLite, where a school keeps everything in one file.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from api.requests import place_cursor
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.handle import Engine, handle, settled
from engine.sealing import number
from engine.store.database import Database, table_of
from engine.store.questions import Place
from engine.store.tables import LONG, CaseRow, DisclosureRow, EventRow, TrailRow
from engine.tick import tick
from tests.bench.commands import SCHOOL, STEPS, opening
from tests.bench.grounds import Ground, Raw, an_engine
from tests.bench.reading import Reader, nineteen_in_twenty, ready_at, serving
from tests.builders import START

EVENTS = 10  # of each case
SPAN = timedelta(days=640)
NOW = START + SPAN
OPEN = 50  # one in so many stops on its way
SENT_BACK = 8  # one case in so many was
RARELY = 5_000  # one case in so many has the rare department, and one return is called otherwise
DEPARTMENTS = ["HQC", "BWC", "XB1", "DZB", *(f"D{n:02}" for n in range(16))]
RARE_DEPARTMENT, RARE_ACTION = "RARE", "send_back"
PAGE_MILLISECONDS, LIST_MILLISECONDS, COUNT_MILLISECONDS = 50, 150, 2_000
OVERVIEW_MILLISECONDS = 150  # with 100,000 cases
RANDOM = "((i * 7919) % 10007)"  # spreads whatever is counted by it
NUMBER = "printf('YH-2020-9%08d', i)"


@dataclass(frozen=True)
class Question:
    """What is asked, by whom, and in how many milliseconds it is to be answered nineteen times of twenty."""

    family: str
    name: str
    person: str
    path: str
    allowed: int


def questions(cases: int) -> list[Question]:
    asked = [
        Question(family, f"{family}: {name}{page}", person, f"/api/v1/events?{urlencode({**wanted, **after})}", PAGE_MILLISECONDS)
        for family, wanted_by in _families(cases).items()
        for name, (person, wanted) in wanted_by.items()
        for page, after in (("", {}), (", far back", {"cursor": _middle(cases)}))
    ]  # fmt: skip
    asked += [
        Question("as of", f"as of {when}: {name}", "safety_head", f"/api/v1/cases?{urlencode({**wanted, 'as_of': at.isoformat()})}", LIST_MILLISECONDS)
        for when, at in (("lately", NOW - timedelta(days=3)), ("midway", START + SPAN / 2), ("early", START + SPAN / 20))
        for name, wanted in _LISTS.items()
    ]  # fmt: skip
    asked += [
        Question("book", f"book of {year}: {name}", "safety_head", f"/api/v1/cases?{urlencode({**wanted, 'book': year})}", LIST_MILLISECONDS)
        for year in (START.year, NOW.year)
        for name, wanted in _LISTS.items()
    ]  # fmt: skip
    asked += [
        Question("counts", f"counts: {' and '.join(by)}", "safety_head", f"/api/v1/events/counts?{urlencode({'by': by}, doseq=True)}", COUNT_MILLISECONDS)
        for by in _COUNTED
    ]  # fmt: skip
    asked += [
        Question("overview", f"overview: {name}", person, f"/api/v1/overview?{urlencode(wanted)}", OVERVIEW_MILLISECONDS)
        for name, person, wanted in (
            ("of all", "safety_head", {}), ("of all, midway", "safety_head", {"as_of": (START + SPAN / 2).isoformat()}),
            ("of a department", "hqc_head", {}), ("of a teacher", "teacher", {}),
        )
    ]  # fmt: skip
    return asked


def _families(cases: int) -> Mapping[str, Mapping[str, tuple[str, Mapping[str, str]]]]:
    head = "safety_head"
    month = {"from": (START + SPAN / 2).isoformat(), "to": (START + SPAN / 2 + timedelta(days=30)).isoformat()}
    return {
        "newest": {"everything": (head, {}), "accepted": (head, {"outcome": "accepted"})},
        "time": {"a month": (head, month), "nothing yet": (head, {"to": (START - timedelta(days=1)).isoformat()})},
        "person": {
            "often": (head, {"person": "safety_staff"}), "now and then": (head, {"person": "teacher7"}),
            "never": (head, {"person": "nobody"}),
        },
        "in his name": {"now and then": (head, {"on_behalf_of": "vp_safety"}), "never": (head, {"on_behalf_of": "nobody"})},
        "action": {
            "often": (head, {"action": "fix"}), "seldom": (head, {"action": RARE_ACTION}), "never": (head, {"action": "nothing"}),
        },
        "type": {"opened": (head, {"type": "opened"}), "never": (head, {"type": "recomputed"})},
        "case": {"one": (head, {"case": f"YH-2020-9{cases // 2:08}"}), "none": (head, {"case": "YH-2020-0009"})},
        "department": {
            "often": (head, {"department": "HQC"}), "seldom": (head, {"department": RARE_DEPARTMENT}),
            "never": (head, {"department": "NONE"}),
        },
        "workflow": {"often": (head, {"workflow": "hazard"}), "never": (head, {"workflow": "drill"})},
        "refused": {
            "all": (head, {"outcome": "refused"}), "one person's": (head, {"outcome": "refused", "person": "teacher7"}),
            "nobody's": (head, {"outcome": "refused", "person": "nobody"}),
        },
        "what one may see": {
            "a department's": ("hqc_head", {}), "a teacher's": ("teacher", {}), "nothing": ("driver", {}),
            "a department's fixes": ("hqc_head", {"action": "fix"}),
        },
        "together": {
            "department, action, month": (head, {"department": "HQC", "action": "fix", **month}),
            "person and action": (head, {"person": "safety_staff", "action": "return"}),
            "person and department": (head, {"person": "safety_staff", "department": RARE_DEPARTMENT}),
        },
    }  # fmt: skip


_LISTS: Mapping[str, Mapping[str, str]] = {
    "everything": {}, "overdue": {"overdue": "true"}, "fixed": {"state": "fixed"}, "department": {"department": "HQC"},
    "department, seldom": {"department": RARE_DEPARTMENT}, "assignee, never": {"assignee": "nobody"}, "category": {"category": "ELEC"},
    "a long page": {"limit": "200"},
}  # fmt: skip
_COUNTED = [
    ["month", "department"], ["day", "action"], ["actor", "action"], ["department", "workflow"], ["type", "outcome"],
    ["actor", "department"], ["day", "actor"],
]  # fmt: skip


def _middle(cases: int) -> str:
    return place_cursor(Place(START + SPAN / 2, False, cases * EVENTS // 2))


@dataclass(frozen=True)
class Found:
    """name → milliseconds of nineteen in twenty (p95), and what is allowed.

    bytes_an_event   of the file, for each event; `trail_bytes_an_event` of the trail and its indexes alone
    """

    events: int
    filled_seconds: float
    bytes_an_event: float
    trail_bytes_an_event: float
    p95: Mapping[str, tuple[float, int]]

    @property
    def slow(self) -> list[str]:
        return [name for name, (took, allowed) in self.p95.items() if took > allowed]


def ask(ground: Ground, *, cases: int, times: int) -> Found:
    database = ground.fresh()
    try:
        began = time.perf_counter()
        fill(ground, database, cases)
        filled = time.perf_counter() - began
        with TemporaryDirectory(prefix="bihuan-trail-") as place:
            p95 = _asked(Path(place), database, cases=cases, times=times)
        return Found(*_sizes(ground, database, filled), p95)
    finally:
        ground.remove(database)


def _asked(folder: Path, database: Database, *, cases: int, times: int) -> Mapping[str, tuple[float, int]]:
    with serving(folder, database, at=NOW) as server, closing(Reader(ready_at(server))) as reader:
        found = {}
        for question in questions(cases):
            taken = []
            for _ in range(times if question.family != "counts" else max(1, times // 4)):
                began = time.perf_counter()
                reader.get(SCHOOL.organisation, question.person, question.path)
                taken.append(1000 * (time.perf_counter() - began))
            found[question.name] = nineteen_in_twenty(taken), question.allowed
        return found


def _sizes(ground: Ground, database: Database, filled: float) -> tuple[int, float, float, float]:
    with closing(ground.raw(database)) as raw:
        [[events]] = raw.run("SELECT count(*) FROM trail")
        [[whole]] = raw.run("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        trail = sum(
            size for name, size in raw.run("SELECT name, sum(pgsize) FROM dbstat GROUP BY name") if "trail" in name
        ) if _tells_sizes(raw) else 0  # fmt: skip
    return events, filled, whole / events, trail / events


def _tells_sizes(raw: Raw) -> bool:
    """Not every SQLite was built with it."""
    return bool(raw.run("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'"))


# --- made by the database --------------------------------------------------------------------------------------------


def fill(ground: Ground, database: Database, cases: int) -> None:
    """Write so many cases with their events into a founded database, as if they had been recorded and numbered."""
    template = _play(database)
    with closing(ground.raw(database)) as raw:
        for pragma in ("synchronous = OFF", "cache_size = -400000", "temp_store = MEMORY"):
            raw.run(f"PRAGMA {pragma}")
        raw.run("CREATE TEMP TABLE a_department (n INTEGER PRIMARY KEY, word TEXT)")
        for n, word in enumerate(DEPARTMENTS):
            raw.run(f"INSERT INTO a_department VALUES ({n}, '{word}')")
        _note_when(raw, template)
        _note_events(raw, template, cases)
        for statement in (_cases(template), _parties(), _events(template), _disclosures(template), _trail(template), _refused(cases)):  # fmt: skip
            raw.run("BEGIN")
            raw.run(statement)
            raw.run("COMMIT")
        raw.run("PRAGMA wal_checkpoint(TRUNCATE)")


def _play(database: Database) -> str:
    """A hazard that was reminded of twice and returned once, closed after ten events. Its number."""
    engine = an_engine(database)
    clock = engine.clock
    assert isinstance(clock, SimulatedClock)
    steps = {trigger: (person, data) for person, trigger, data in STEPS}
    steps["return"] = ("safety_staff", {"reason": "面板松动"})
    case = _do(engine, "teacher", OpenCase("hazard", opening("trail")))
    for trigger in ("assign", "acknowledge", "remind", "remind", "fix", "return", "fix", "verify", "approve"):
        clock.advance(timedelta(hours=3))
        if trigger == "remind":
            while not tick(engine).reminded:
                clock.advance(timedelta(hours=6))
        else:
            person, data = steps[trigger]
            _do(engine, person, FireTrigger(case, trigger, data))
    assert number(database, SCHOOL.organisation) == EVENTS
    return case


def _do(engine: Engine, person: str, command: OpenCase | FireTrigger) -> str:
    [outcome] = handle(engine, [Asked(SCHOOL.actor(person), command, "bench", None)])
    done: Any = settled(outcome)
    found: str = done.case.number
    return found


def _note_when(raw: Raw, template: str) -> None:
    """How many seconds after its opening each event of the template was recorded, and which one ended how it stood."""
    raw.run("CREATE TEMP TABLE a_step (sequence INTEGER PRIMARY KEY, seconds INTEGER, lasts INTEGER, ender INTEGER)")
    rows = raw.run(
        f"SELECT sequence, recorded_at, until > recorded_at FROM trail WHERE number = '{template}' ORDER BY sequence"
    )
    lasting = [sequence for sequence, _, lasts in rows if lasts]
    for sequence, at, lasts in rows:
        seconds = round((datetime.fromisoformat(f"{at}+00:00") - START).total_seconds())
        ender = next((later for later in lasting if later > sequence), None)
        raw.run(f"INSERT INTO a_step VALUES ({sequence}, {seconds}, {int(lasts)}, {ender or 'NULL'})")


def _note_events(raw: Raw, template: str, cases: int) -> None:
    """Which events there are, when each was recorded and until when its case stood so, in seconds after START."""
    opened = f"CAST({SPAN.total_seconds() / cases} * i AS INTEGER)"
    slow = f"(1 + {RANDOM} % 9) / 4.0"  # a case takes between a quarter of the template's time and twice as long
    stops = f"CASE WHEN {RANDOM} % {OPEN} = 3 THEN 2 + i % {EVENTS - 2} ELSE {EVENTS} END"
    when = "opened + CAST({}.seconds * slow AS INTEGER)"
    last = int(SPAN.total_seconds())
    raw.run(
        f"CREATE TEMP TABLE an_event AS WITH RECURSIVE counted(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM counted"
        f" WHERE i < {cases - 1}), a_case AS (SELECT i, {opened} AS opened, {slow} AS slow, {stops} AS stops FROM counted),"
        f" timed AS (SELECT i, opened, s.sequence, {when.format('s')} AS at, s.lasts, CASE WHEN e.sequence <= stops AND"
        f" {when.format('e')} <= {last} THEN {when.format('e')} END AS ended FROM a_case JOIN a_step AS s ON s.sequence <= stops"
        f" LEFT JOIN a_step AS e ON e.sequence = s.ender)"
        f" SELECT i, opened, sequence, at, lasts, ended, row_number() OVER (ORDER BY at, i, sequence) + {EVENTS - 1} AS position"
        f" FROM timed WHERE at <= {last} ORDER BY at, i, sequence"
    )


def _instant(seconds: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%S.000000', {int(START.timestamp())} + {seconds}, 'unixepoch')"


def _department(column: str) -> str:
    rare = f"WHEN i % {RARELY} = 7 THEN '{RARE_DEPARTMENT}'"
    word = f"(SELECT word FROM a_department WHERE n = {RANDOM} % {len(DEPARTMENTS)})"
    return f"CASE WHEN {column} IS NULL THEN NULL {rare} ELSE {word} END"


def _copied(table: type[Any], source: str, template: str, values: Mapping[str, str], joined: str) -> str:
    """Each row of the template that an event, or a case, has, with these values otherwise."""
    names = table_of(table).columns.keys()
    given = ", ".join(values.get(name, f't."{name}"') for name in names)
    named = ", ".join(f'"{name}"' for name in names)
    return (
        f"INSERT INTO {source} ({named}) SELECT {given} FROM {joined} CROSS JOIN {source} AS t"
        f" WHERE t.organisation = '{SCHOOL.organisation}' AND t.number = '{template}'"
    )


def _cases(template: str) -> str:
    values = {
        "number": NUMBER, "opened_at": _instant("opened"), "department": _department("t.department"),
        "words": "t.words || i", "category": "CASE WHEN i % 3 = 0 THEN 'FIRE.exit' ELSE t.category END",
    }  # fmt: skip
    return _copied(CaseRow, "case_record", template, values, "(SELECT i, opened FROM an_event WHERE sequence = 1) AS e")


def _parties() -> str:
    people = ("'teacher' || (i % 100)", "'repairer' || (i % 30)", "'safety_staff'", "'safety_head'")
    here = f"'{SCHOOL.organisation}'"
    return "INSERT INTO party (organisation, person, number) " + " UNION ALL ".join(
        f"SELECT {here}, {person}, {NUMBER} FROM an_event WHERE sequence = 1" for person in people
    ) + f" UNION ALL SELECT {here}, 'teacher', {NUMBER} FROM an_event WHERE sequence = 1 AND i % 500 = 3"  # fmt: skip


_ACTOR = (
    "CASE t.actor WHEN 'person:teacher' THEN 'person:teacher' || (i % 100) WHEN 'person:repairer'"
    " THEN 'person:repairer' || (i % 30) ELSE t.actor END"
)
_IN_HIS_NAME = f"CASE WHEN t.actor = 'person:safety_head' AND {RANDOM} % 40 = 1 THEN 'person:vp_safety' END"
_OF_IT = "an_event AS e"


def _events(template: str) -> str:
    values = {
        "number": NUMBER, "recorded_at": _instant("e.at"), "actor": _ACTOR, "on_behalf_of": _IN_HIS_NAME,
        "sequence": "e.sequence",
    }  # fmt: skip
    return (
        _copied(EventRow, "event", template, values, _OF_IT) + " AND t.sequence = e.sequence ORDER BY e.i, e.sequence"
    )


def _disclosures(template: str) -> str:
    opened = f"strftime('%Y-%m-%dT%H:%M:%S.000000Z', {int(START.timestamp())} + e.opened, 'unixepoch')"
    entries = f"replace(replace(t.entries, '{template}', {NUMBER}), '2020-03-02T01:00:00.000000Z', {opened})"
    values = {"number": NUMBER, "sequence": "e.sequence", "entries": entries}
    return (
        _copied(DisclosureRow, "disclosure", template, values, _OF_IT)
        + " AND t.sequence = e.sequence ORDER BY e.i, e.sequence"
    )


def _trail(template: str) -> str:
    until = f"CASE WHEN e.lasts AND ended IS NULL THEN '9999-12-31 00:00:00.000000' WHEN e.lasts THEN {_instant('ended')} ELSE {_instant('e.at')} END"
    digits = " ".join(f"WHEN ended - e.at < {86400 * (1 << n)} THEN {n}" for n in range(LONG))
    seldom = (
        f"CASE WHEN t.trigger <> 'return' THEN t.trigger WHEN i % {RARELY} = 7 THEN '{RARE_ACTION}'"
        f" WHEN i % {SENT_BACK} = 1 THEN 'return' ELSE 'acknowledge' END"
    )
    due = f"CASE WHEN t.due_at IS NULL THEN NULL ELSE {_instant('e.at + 3 * 86400')} END"
    assignee = "CASE WHEN t.assignee IS NULL THEN NULL ELSE 'repairer' || (i % 30) END"
    values = {
        "position": "e.position", "number": NUMBER, "sequence": "e.sequence", "recorded_at": _instant("e.at"), "until": until,
        "lasted": f"CASE WHEN NOT e.lasts THEN 0 WHEN ended IS NULL THEN {LONG} {digits} ELSE {LONG} END", "actor": _ACTOR,
        "on_behalf_of": _IN_HIS_NAME, "hash": "randomblob(32)", "department": _department("t.department"), "assignee": assignee,
        "trigger": seldom, "reporter": "'teacher' || (i % 100)", "due_at": due, "opened_at": _instant("opened"),
        "category": "CASE WHEN i % 3 = 0 THEN 'FIRE.exit' ELSE t.category END",
    }  # fmt: skip
    return _copied(TrailRow, "trail", template, values, _OF_IT) + " AND t.sequence = e.sequence ORDER BY e.position"


def _refused(cases: int) -> str:
    return (
        "INSERT INTO refusal (organisation, id, at, principal, on_behalf_of, route, number, asked, code, reason, sentence)"
        f" SELECT '{SCHOOL.organisation}', row_number() OVER (ORDER BY at, i), {_instant('at + 60')}, 'person:teacher' || (i % 100),"
        f" NULL, 'POST /hazards', {NUMBER}, 'fix', 'not_allowed', 'role', '此步骤只能由整改责任人办理' FROM an_event"
        f" WHERE sequence = 2 AND {RANDOM} % 2 = 1 AND at < {int(SPAN.total_seconds()) - 60}"
    )
