"""The trail as it is asked for, by addresses and on the command line: entries in words, and lists that are taken away."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import structlog
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Connection

from api.auth import Asker
from api.bootstrap import Runtime
from api.papers.listing import Column
from api.schemas import EVENT_TITLES, CaseAnswer, case_answer, other_step
from engine.actor import Actor, Visibility, system
from engine.authority import visibility
from engine.case import Case, instant_text
from engine.definition import Catalog
from engine.directory import Person
from engine.errors import Busy, Locale, Text
from engine.events import in_the_name_of
from engine.handle import note
from engine.sealing import number
from engine.store import books, known, people, questions, trail, worklists
from engine.store.books import Book
from engine.store.questions import Asked, Entry, Eyes, Place
from engine.store.worklists import Filter

log = structlog.get_logger(__name__)

NUMBERING_SECONDS = 1  # that a question may wait for; a few thousand events
UNNUMBERED = "Bihuan-Unnumbered"
AT_ONCE = 500  # rows of a list that is taken away, read at a time
SYSTEM = Text("系统", "the system")
SOMEBODY = Text("本校人员", "somebody of the school")  # whom the directory knows no post of
#: what was noted in the logbook
NOTED_TITLES: Mapping[str, Text] = {
    "exported": Text("导出", "Taken away"),
    "imported": Text("导入", "Taken over"),
    "proved": Text("出具证明", "Proof taken"),
    "restored": Text("由备份恢复", "Restored from a backup"),
    "erased": Text("清除个人信息", "Personal data cleared"),
    "key_began": Text("启用新密钥", "Signed with a new key from here on"),
    "channel_changed": Text("更改消息渠道", "Channel changed"),
    "text_changed": Text("更改消息文字", "Message text changed"),
    "label_changed": Text("更改部位标签", "Label of a place changed"),
    "template_changed": Text("更改文书模板", "Template of a paper changed"),
    "feed_changed": Text("更改日历订阅", "Link to a calendar changed"),
    "policy_changed": Text("更改流程规则", "Numbers of a loop changed"),
    "calendar_changed": Text("更改工作日历", "Calendar of working days changed"),
}
READ = Text("查看", "Read")
MOST_TITLES = 3  # of a step that several loops draw, each by a name of its own


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks the trail: what he may see, and whether he may be told names."""

    actor: Actor
    seen: Visibility
    locale: Locale

    @classmethod
    def of(cls, asker: Asker) -> "Reader":
        return cls(asker.actor, asker.seen, asker.locale)

    @classmethod
    def system(cls, organisation: str, catalog: Catalog, locale: Locale = "zh") -> "Reader":
        """Whoever sits at the machine itself."""
        actor = system(organisation)
        return cls(actor, visibility(actor, catalog.overseers), locale)

    @property
    def eyes(self) -> Eyes:
        return Eyes(self.seen, frozenset({self.actor.principal}))


class TrailEntry(BaseModel):
    """An event that was recorded, or a refusal: a step that was not taken.

    id          the event's number in the trail, which is also its place in the signed tree; or the refusal's
    case        the case's number; `logbook` for what was done with the records themselves; null where there is none
    action      the step; of a refusal, what was asked
    department  that of the case after the event; of a refusal, that of the case today
    told        what was noted in the logbook
    code        of a refusal, as `reason` and `sentence`, which is kept in Chinese
    """

    outcome: Literal["accepted", "refused"]
    at: AwareDatetime
    id: int
    case: str | None
    sequence: int | None
    type: str | None
    action: str
    title: str
    actor: str
    on_behalf_of: str | None
    by: str
    workflow: str | None
    state: str | None
    department: str | None
    hash: str | None
    told: dict[str, Any] | None
    code: str | None
    reason: str | None
    sentence: str | None


def brought_up_to_date(runtime: Runtime, organisation: str, seconds: float | None = NUMBERING_SECONDS) -> int:
    """Whatever was recorded before the question is in the trail when it is asked; how many events are not, 0 as a rule.

    Very many at once, as after an upgrade, are numbered by whoever seals: nobody waits for all of them here. On a full disk, and
    behind a row that cannot be read, which is logged and which verification names, what has its number is still answered.

    seconds    after which it is enough; None for who waits as long as it takes
    """
    enough = None if seconds is None else time.monotonic() + seconds

    def going_on() -> bool:
        return enough is None or time.monotonic() < enough

    try:
        number(runtime.database, organisation, going_on=going_on)
        if going_on():
            return 0
    except Busy as busy:
        log.warning("trail_behind", organisation=organisation, why=busy.sentence("en"))
    except Exception:  # of any kind: somebody may have written anything there
        log.exception("trail_behind", organisation=organisation)
    with runtime.database.read(organisation) as connection:
        return trail.how_many_wait(connection, organisation)


def saying_what_is_missing(unnumbered: int) -> dict[str, str]:
    """The header of an answer that lacks events which were recorded before it."""
    return {UNNUMBERED: str(unnumbered)} if unnumbered else {}


def principal_of(said: str | None) -> str | None:
    """A person by his key, as everywhere; or a principal as events name it: `person:…`, `system`, `anonymous:…`."""
    if said is None or said == "system" or ":" in said:
        return said
    return f"person:{said}"


# --- in words --------------------------------------------------------------------------------------------------------


class Words:
    """Entries in the reader's language. Whom the directory was asked for once is not asked for again."""

    def __init__(self, catalog: Catalog, reader: Reader) -> None:
        self._catalog = catalog
        self._reader = reader
        self._called: dict[str, Text] = {}

    def entries(self, connection: Connection, found: Sequence[Entry]) -> list[TrailEntry]:
        return [self._entry(connection, entry) for entry in found]

    def _entry(self, connection: Connection, entry: Entry) -> TrailEntry:
        represented = None if entry.on_behalf_of is None else self._name(connection, entry.on_behalf_of)
        by = in_the_name_of(self._name(connection, entry.actor), represented)
        return TrailEntry(
            outcome=entry.outcome, at=entry.at, id=entry.id, case=entry.case, sequence=entry.sequence, type=entry.type,
            action=entry.action, title=self._title(entry).in_(self._reader.locale), actor=entry.actor,
            on_behalf_of=entry.on_behalf_of, by=by.in_(self._reader.locale), workflow=entry.workflow, state=entry.state,
            department=entry.department, hash=entry.hash, told=entry.told, code=entry.code, reason=entry.reason,
            sentence=entry.sentence,
        )  # fmt: skip

    def _title(self, entry: Entry) -> Text:
        if entry.type == "noted":
            return NOTED_TITLES.get(entry.action, Text(entry.action, entry.action))
        kind = entry.type or ("opened" if entry.action == "open" else "")
        if kind in EVENT_TITLES:
            return EVENT_TITLES[kind]
        if entry.outcome == "refused" and entry.action == "read":
            return READ
        workflow = self._catalog.get(entry.workflow) if entry.workflow else None
        drawn = workflow.triggers.get(entry.action) if workflow else None
        return drawn[0].title if drawn else title_anywhere(self._catalog, entry.action, entry.case)

    def _name(self, connection: Connection, key: str) -> Text:
        if key not in self._called:
            self._called[key] = called(
                key,
                partial(people.person, connection, self._reader.actor.organisation),
                names=self._reader.seen.everything,
            )
        return self._called[key]


def title_anywhere(catalog: Catalog, action: str, number: str | None = None) -> Text:
    """What a step is called where the loop is not known: as the loop of the number's series calls it, or else all that draw it.

    number    that was asked for; there may be no case of it
    """
    drawn = [loop for loop in catalog.newest() if action in loop.triggers]
    series = [loop for loop in drawn if number is not None and number.partition("-")[0] == loop.prefix]
    titles = list(dict.fromkeys(loop.triggers[action][0].title for loop in series or drawn))
    if not titles:
        return other_step(action)
    told = Text(
        "／".join(title.zh for title in titles[:MOST_TITLES]), " / ".join(title.en for title in titles[:MOST_TITLES])
    )
    return told if len(titles) <= MOST_TITLES else Text(f"{told.zh}等", f"{told.en} …")


def called(key: str, person: Callable[[str], Person | None], *, names: bool) -> Text:
    """A principal in words: by name for who may see names, by post for everybody else.

    person    by his key, None for nobody
    """
    kind, _, who = key.partition(":")
    if kind == "system":
        return SYSTEM
    if kind == "anonymous":
        return Text(f"{who}的访客", f"a visitor at {who}")
    found = person(who)
    said = found and (found.name if names else found.post)
    return Text(said, said) if said else SOMEBODY


# --- what is taken away ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taken:
    """A list that somebody takes away, which is noted already.

    rows     how many it has
    pages    them, each page read by itself when it is asked for
    unnumbered    events that were recorded before and are not in it (`brought_up_to_date`)
    """

    what: str
    rows: int
    columns: Sequence[Column]
    pages: Iterator[Sequence[BaseModel]]
    unnumbered: int = 0


def take_events(runtime: Runtime, reader: Reader, asked: Asked, seconds: float | None = NUMBERING_SECONDS) -> Taken:
    """Every entry there is just now, newest first. Raises Busy where the note could not be made durable.

    seconds    as for `brought_up_to_date`
    """
    here = reader.actor.organisation
    unnumbered = brought_up_to_date(runtime, here, seconds)
    with runtime.database.read(here) as connection:
        within = questions.extent(connection, here)
        rows = questions.count(connection, reader.eyes, asked, within)
        zone = people.time_zone(connection, here)
    noted(runtime, reader, "events", told_of(asked), rows)
    words = Words(runtime.engine.catalog, reader)

    def read(after: Place | None) -> tuple[Sequence[BaseModel], Place | None]:
        with runtime.database.read(here) as connection:
            found, following = questions.page(connection, reader.eyes, asked, limit=AT_ONCE, after=after, within=within)
            return words.entries(connection, found), following

    return Taken("events", rows, event_columns(reader.locale, zone), _pages(read), unnumbered)


def take_cases(
    runtime: Runtime, reader: Reader, wanted: Filter, as_of: datetime | None, seconds: float | None = NUMBERING_SECONDS
) -> Taken:
    """Every case of a list, as it stands or as it was known. Raises Busy where the note could not be made durable.

    seconds    as for `brought_up_to_date`
    """
    here, now = reader.actor.organisation, runtime.clock.now()
    at = as_of or now
    behind = as_of is not None or wanted.by_marks
    unnumbered = brought_up_to_date(runtime, here, seconds) if behind else 0
    store: Any = worklists if as_of is None else known
    with runtime.database.read(here) as connection:
        rows = store.count(connection, reader.seen, wanted, at)
        zone = people.time_zone(connection, here)
        book = books.book_of(connection, here, wanted.book)
    noted(
        runtime, reader, "cases", {**told_of(wanted), **({} if as_of is None else {"as_of": instant_text(as_of)})}, rows
    )

    def read(after: tuple[datetime, str] | None) -> tuple[Sequence[BaseModel], tuple[datetime, str] | None]:
        with runtime.database.read(here) as connection:
            page = store.page(connection, reader.seen, wanted, at, limit=AT_ONCE, after=after)
        told = cases_at(runtime.engine.catalog, page.cases, at, reader.locale)
        return of_book(told, page.cases, book), page.next_after

    columns = case_columns(reader.locale, zone) + (book_columns(reader.locale) if book is not None else [])
    return Taken("cases", rows, columns, _pages(read), unnumbered)


def noted(runtime: Runtime, reader: Reader, what: str, filters: Mapping[str, Any], rows: int) -> None:
    """Who took what away stands in the logbook before he has the first byte of it."""
    note(runtime.engine, reader.actor, "exported", {"what": what, "filters": dict(filters), "rows": rows})


def told_of(asked: Asked | Filter) -> dict[str, Any]:
    """What was asked for, less what was left open, in plain values."""
    values = {name: getattr(asked, name) for name in asked.__slots__}
    return {name: _plainly(value) for name, value in values.items() if value is not None}


def _plainly(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant_text(value)
    return list(value) if isinstance(value, tuple) else value


def cases_at(catalog: Catalog, found: Sequence[Case], at: datetime, locale: Locale) -> list[CaseAnswer]:
    """Cases as they stood at an instant; how much was left of their time is not said in words."""
    return [case_answer(catalog.of(case), case, locale, at) for case in found]


def of_book(answers: Sequence[CaseAnswer], found: Sequence[Case], book: Book | None) -> list[CaseAnswer]:
    """The answers to a list of these cases; in the book of a year, each says whether it was carried over into it."""
    if book is None:
        return list(answers)
    return [
        answer.model_copy(update={"carried_over": book.carries_over(case)})
        for answer, case in zip(answers, found, strict=True)
    ]


def _pages(read: Callable[[Any], tuple[Sequence[BaseModel], Any]]) -> Iterator[Sequence[BaseModel]]:
    after = None
    while True:
        page, after = read(after)
        yield page
        if after is None:
            return


def event_columns(locale: Locale, zone: ZoneInfo) -> list[Column]:
    zh = locale == "zh"
    outcome = {"accepted": "已办理" if zh else "accepted", "refused": "未办理" if zh else "refused"}
    return [
        ("时间" if zh else "time", lambda e: on_the_wall(e.at, zone)),
        ("结果" if zh else "outcome", lambda e: outcome[e.outcome]),
        ("序号" if zh else "id", lambda e: e.id),
        ("事项" if zh else "case", lambda e: e.case),
        ("第几条" if zh else "sequence", lambda e: e.sequence),
        ("流程" if zh else "workflow", lambda e: e.workflow),
        ("部门" if zh else "department", lambda e: e.department),
        ("类型" if zh else "type", lambda e: e.type),
        ("步骤" if zh else "action", lambda e: e.action),
        ("步骤名称" if zh else "title", lambda e: e.title),
        ("状态" if zh else "state", lambda e: e.state),
        ("办理人" if zh else "by", lambda e: e.by),
        ("办理人代码" if zh else "actor", lambda e: e.actor),
        ("被代表人代码" if zh else "on behalf of", lambda e: e.on_behalf_of),
        ("未办理原因代码" if zh else "code", lambda e: e.code),
        ("未办理说明" if zh else "sentence", lambda e: e.sentence),
        ("哈希" if zh else "hash", lambda e: e.hash),
    ]  # fmt: skip


def case_columns(locale: Locale, zone: ZoneInfo) -> list[Column]:
    zh = locale == "zh"
    yes = "是" if zh else "yes"
    when = partial(on_the_wall, zone=zone)
    return [
        ("编号" if zh else "number", lambda c: c.number),
        ("流程" if zh else "workflow", lambda c: c.workflow),
        ("事项" if zh else "title", lambda c: c.title),
        ("部位" if zh else "place", lambda c: c.place),
        ("状态" if zh else "state", lambda c: c.state_title),
        ("统计状态" if zh else "counts as", lambda c: c.counts_as),
        ("等级" if zh else "level", lambda c: c.level),
        ("类别" if zh else "category", lambda c: c.category),
        ("部门" if zh else "department", lambda c: c.department),
        ("登记人" if zh else "reporter", lambda c: c.reporter),
        ("整改责任人" if zh else "assignee", lambda c: c.assignee),
        ("登记时间" if zh else "opened", lambda c: when(c.opened_at)),
        ("期限" if zh else "due", lambda c: when(c.due_at)),
        ("逾期" if zh else "overdue", lambda c: yes if c.overdue else ""),
        ("办结时间" if zh else "closed", lambda c: when(c.closed_at)),
    ]  # fmt: skip


def book_columns(locale: Locale) -> list[Column]:
    """What the book of a year says besides."""
    carried, unseen = Text("结转", "carried over"), Text("补录", "not witnessed")
    return [
        (carried.in_(locale), lambda c: carried.in_(locale) if c.carried_over else ""),
        (unseen.in_(locale), lambda c: "" if c.witnessed else unseen.in_(locale)),
    ]


def on_the_wall(instant: datetime | None, zone: ZoneInfo) -> str:
    """By the wall clock of the organisation, with its offset."""
    return "" if instant is None else instant.astimezone(zone).isoformat(sep=" ", timespec="seconds")
