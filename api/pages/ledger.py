"""The ledger 台账: every case the reader may see, filtered, searched, paged, as of any day, and taken away as a file.

Its address says what it shows, in the words of the JSON list: it can be kept, sent on and linked to.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request, Response
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime, cookies
from api.bootstrap import Runtime
from api.pages.addresses import FIRST_DAY, LAST_DAY, Pages, Pairs, address_of, beginning, evening, pairs_of
from api.pages.books import BOOKS
from api.pages.choosing import LABELS, Vocabulary, day_in_words
from api.pages.lists import TidyDrawnAgain, is_drawn_again
from api.pages.rendering import CASES, TRAIL, page
from api.pages.words import WORDS
from api.papers.kinds.lists import THREE_LISTS
from api.periods import report_in_words
from api.reading import name_for, read_now
from api.requests import after_cursor, cursor_of, known_parameters
from api.routes.filtering import AsOf, filter_of_all, must_have_been
from api.routes.under import BASE
from api.schemas import CaseAnswer
from api.trail import brought_up_to_date, cases_at, of_book
from engine.case import instant_text
from engine.directory import Person
from engine.errors import Locale, Text
from engine.store import books, known, people, views, worklists
from engine.store.worklists import Filter

router = Pages(prefix=CASES, route_class=TidyDrawnAgain)

AT_A_TIME = 50
Column = Literal[
    "number", "workflow", "title", "place", "state", "level", "category", "department", "reporter", "assignee", "opened", "due",
    "closed",
]  # fmt: skip
#: the columns there are, in their order; the title, by which a case is opened, is always shown
COLUMNS: Mapping[Column, Text] = {
    "number": Text("编号", "Number"),
    "title": Text("事项", "Case"),
    "workflow": Text("类型", "Kind"),
    "place": Text("地点", "Where"),
    "state": Text("目前", "Stands at"),
    "level": Text("等级", "Level"),
    "category": Text("类别", "Category"),
    "department": Text("责任部门", "Department"),
    "reporter": Text("登记人", "Reported by"),
    "assignee": Text("责任人", "Held by"),
    "opened": Text("登记日期", "Opened"),
    "due": Text("期限", "Due"),
    "closed": Text("办结日期", "Closed"),
}
CARRIED_OVER = Text("结转", "carried over")  # from the book of the year before
ALWAYS: frozenset[Column] = frozenset({"title"})
SHOWN: tuple[Column, ...] = ("number", "title", "workflow", "place", "state", "department", "due")
COOKIE = "bihuan_columns"  # which columns this browser shows; nothing about anybody

#: parameters that say how the list is shown and not what of
HOW = ("cursor", "columns", "tick", "done")
#: questions of the form; whatever else an address may ask is kept while these change
SELECTS = ("book", "workflow", "counts_as", "state", "level", "category", "department", "assignee", "overdue")
DATES = ("opened_from", "due_before", "as_of")


@dataclass(frozen=True, slots=True)
class Cell:
    """`more` stands beneath, for what would not fit a line."""

    name: Column
    label: Text
    words: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    number: str
    title: str
    late: bool
    major: bool
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that holds, and the address without it."""

    label: Text
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the ledger is asked for. `as_of`: None for now; `zone`: whose days are meant."""

    wanted: Filter
    as_of: datetime | None
    zone: ZoneInfo


def asked_of(
    runtime: TheRuntime,
    asker: SignedIn,
    wanted: Annotated[Filter, Depends(filter_of_all)],
    as_of: AsOf = None,
    as_of_day: date | None = None,
    due_before_day: date | None = None,
    opened_from_day: date | None = None,
    opened_after_day: date | None = None,  # of addresses that were kept: the form asked so once
) -> Asked:
    """The filter of the JSON list, with days by the wall clock of the organisation where that takes instants."""
    with runtime.database.read(asker.actor.organisation) as connection:
        zone = people.time_zone(connection, asker.actor.organisation)
    now = runtime.clock.now()
    must_have_been(as_of, now)
    if as_of_day is not None:
        as_of = evening(as_of_day, now, zone, "as_of")
    if due_before_day is not None:
        wanted = dataclasses.replace(wanted, due_before=beginning(due_before_day, zone, "due_before"))
    if opened_from_day is not None:
        wanted = dataclasses.replace(wanted, opened_from=beginning(opened_from_day, zone, "opened_from"))
    if opened_after_day is not None:
        wanted = dataclasses.replace(wanted, opened_after=beginning(opened_after_day, zone, "opened_after"))
    return Asked(wanted, as_of, zone)


@router.get("", dependencies=[Depends(known_parameters)])
def ledger(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    asked: Annotated[Asked, Depends(asked_of)],
    cursor: str | None = None,
    columns: Annotated[list[Column] | None, Query(max_length=len(COLUMNS) + 1)] = None,
    tick: Annotated[Literal["all"] | None, Query()] = None,
    done: Annotated[Literal["saved", "removed"] | None, Query()] = None,
) -> Response:
    """A page of it. Columns that are chosen are remembered by the browser they were chosen in."""
    here, me, now = asker.actor.organisation, str(asker.actor.person), runtime.clock.now()
    after = after_cursor(cursor)
    missing = 0 if _plainly_now(asked) else brought_up_to_date(runtime, here)
    shown = _columns(request, runtime, columns)
    with runtime.database.read(here) as connection:
        if asked.as_of is None:
            found = worklists.page(connection, asker.seen, asked.wanted, now, limit=AT_A_TIME, after=after)
            answers = read_now(runtime, connection, asker, found.cases, now)
        else:
            found = known.page(connection, asker.seen, asked.wanted, asked.as_of, limit=AT_A_TIME, after=after)
            answers = cases_at(runtime.engine.catalog, found.cases, asked.as_of, asker.locale)
        answers = of_book(answers, found.cases, books.book_of(connection, here, asked.wanted.book))
        years = books.years(connection, here)
        departments = people.departments(connection, here)
        everybody = people.people(connection, here)
        called = _called(connection, asker, everybody, answers, shown)
        saved = views.of(connection, here, me)
    words = Vocabulary(runtime.engine.catalog, asker.locale, asked.zone, departments, called, years)
    said = pairs_of(request, HOW)
    answer = page(
        request, "ledger.html", asker=asker, active="cases", rows=[_row(each, shown, words, asked.zone) for each in answers],
        heads=[(name, COLUMNS[name]) for name in shown], chips=_chips(said, words), said=dict(said), views=[(view, address_of(CASES, view.said)) for view in saved], done=done,
        here=address_of(CASES, said), everything=CASES, ticked=tick == "all" and not is_drawn_again(request), missing=missing, kept=_kept(said),
        tick_all=address_of(CASES, [*pairs_of(request, ("tick", "done")), ("tick", "all")]),
        selects=[words.choices(name, dict(said).get(name, "")) for name in SELECTS], dates=[(name, LABELS[name]) for name in DATES],
        columns=[(name, title, name in shown, name in ALWAYS) for name, title in COLUMNS.items()],
        more=address_of(CASES, [*said, ("cursor", cursor_of(found.next_after))]) if found.next_after else None, later=cursor is not None,
        files=_files(asked), papers=_papers(asked), as_of=None if asked.as_of is None else _as_of_in_words(asked.as_of, asked.zone, asker.locale),
        quick=_quick(said, me), save=address_of(f"{CASES}/views", [("query", address_of("", said).removeprefix("?"))]) if said else None,
        can_act=asked.as_of is None, trail=TRAIL, books=BOOKS, first_day=FIRST_DAY, last_day=LAST_DAY, today=now.astimezone(asked.zone).date(),
    )  # fmt: skip
    if columns is not None:
        cookies.give(answer, COOKIE, ".".join(shown), runtime.settings, seconds=cookies.DEVICE_SECONDS)
    return answer


def _plainly_now(asked: Asked) -> bool:
    """Whether the trail need not be asked, of which what was just recorded may not be part yet."""
    return asked.as_of is None and not asked.wanted.by_marks


def _columns(request: Request, runtime: Runtime, said: Sequence[Column] | None) -> list[Column]:
    """Those that are chosen in the address, else what this browser chose before, else the usual ones; in their order."""
    if said is None:
        kept = (cookies.shown(request, COOKIE, runtime.settings) or "").split(".")
        chosen: set[str] = {name for name in kept if name in COLUMNS} or set(SHOWN)
    else:
        chosen = set(said)
    return [name for name in COLUMNS if name in chosen or name in ALWAYS]


# --- in words ------------------------------------------------------------------------------------------------------------


def _called(
    connection: Connection, asker: Asker, everybody: Sequence[Person], answers: Iterable[CaseAnswer], shown: Sequence[Column]
) -> dict[str, str]:  # fmt: skip
    """Key → what the reader may call them: everybody who works here, and whoever else the rows name."""
    named = {person.person: name_for(person, asker) for person in everybody}
    if "reporter" in shown or "assignee" in shown:
        keys = {
            key for answer in answers for key in (answer.reporter, answer.assignee) if key is not None
        } - named.keys()
        found = people.some(connection, asker.actor.organisation, sorted(keys))
        named |= {key: name_for(person, asker) for key, person in found.items()}
    return named


def _row(case: CaseAnswer, shown: Sequence[Column], words: Vocabulary, zone: ZoneInfo) -> Row:
    cells = [_cell(name, case, words, zone) for name in shown]
    return Row(case.number, case.title, case.overdue, case.level == "major", cells)


def _cell(name: Column, case: CaseAnswer, words: Vocabulary, zone: ZoneInfo) -> Cell:
    label = COLUMNS[name]
    if name == "due":
        due = "" if case.due_at is None or case.final else _day(case.due_at, zone)
        return Cell(name, label, due, (case.due_in_words or "") if due else "")
    if name in ("opened", "closed"):
        at = case.opened_at if name == "opened" else case.closed_at
        return Cell(name, label, "" if at is None else _day(at, zone))
    if name == "state":
        return Cell(name, label, case.state_title, " · ".join(report_in_words(case.report, words.locale)))
    if name == "number":
        return Cell(name, label, case.number, CARRIED_OVER.in_(words.locale) if case.carried_over else "")
    value = getattr(case, name)
    said = value if name in ("title", "place") else words.said("assignee" if name == "reporter" else name, value or "")
    return Cell(name, label, said or "")


def _day(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d}"


def _as_of_in_words(at: datetime, zone: ZoneInfo, locale: Locale) -> str:
    here = at.astimezone(zone)
    return f"{day_in_words(here.date(), locale)} {here:%H:%M}"


def _chips(said: Pairs, words: Vocabulary) -> list[Chip]:
    return [
        Chip(
            LABELS.get(name, Text(name, name)),
            words.said(name, value),
            address_of(CASES, [*said[:at], *said[at + 1 :]]),
        )
        for at, (name, value) in enumerate(said)
    ]


def _kept(said: Pairs) -> Pairs:
    """What the form does not ask and the address says: it stays while the form's questions change."""
    asked = {"q", *SELECTS, *DATES}
    return [(name, value) for name, value in said if name not in asked or (name in DATES and "T" in value)]


def _quick(said: Pairs, me: str) -> list[tuple[Text, str, bool]]:
    """Lists that are wanted every day: their words, their addresses, and whether this is the one."""
    lists: Sequence[tuple[Text, list[tuple[str, str]]]] = (
        (WORDS["ledger_all"], []), (WORDS["ledger_overdue"], [("overdue", "true")]), (WORDS["ledger_mine"], [("assignee", me)]),
        (WORDS["ledger_major"], [("level", "major")]),
    )  # fmt: skip
    return [(title, address_of(CASES, wanted), list(said) == wanted) for title, wanted in lists]


def _papers(asked: Asked) -> list[tuple[str, str]]:
    """The three lists of the same cases, where they are hazards as they stand now."""
    said = [(name, value) for name, value in query_of(asked.wanted) if name != "workflow"]
    if asked.as_of is not None or asked.wanted.workflow not in (None, THREE_LISTS.workflow):
        return []
    return [
        (name, address_of(f"{BASE}/cases/papers/{THREE_LISTS.code}.{form}", said))
        for form, name in (("docx", "Word"), ("xlsx", "Excel"))
    ]


def _files(asked: Asked) -> list[tuple[str, str]]:
    """The same list as a file, from the address that notes who takes it."""
    said = [*query_of(asked.wanted), *([] if asked.as_of is None else [("as_of", instant_text(asked.as_of))])]
    return [(form, address_of(f"{BASE}/cases", [*said, ("format", form)])) for form in ("xlsx", "csv")]


def query_of(wanted: object) -> list[tuple[str, str]]:
    """A filter's values as the JSON list takes them."""
    # `open_` is called so because `open` is taken, and asked for as `open`
    values = [(each.name.rstrip("_"), getattr(wanted, each.name)) for each in dataclasses.fields(wanted)]  # type: ignore[arg-type]  # the filters are dataclasses
    return [
        (name, _plain(one))
        for name, value in values
        for one in (value if isinstance(value, tuple) else [value])
        if one is not None
    ]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return instant_text(value) if isinstance(value, datetime) else str(value)
