"""The ledger of hazards (隐患排查整改台账) as a workbook: one row a case, every cell told by the case or one of its events. Of what
was taken over from an older ledger it repeats the words of that one, and says so.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import BinaryIO
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.papers import sheets
from api.papers.ledger_list import field_of_written
from engine.actor import system
from engine.authority import visibility
from engine.case import TAKEN_OVER, Case
from engine.definition import Catalog, Workflow
from engine.errors import Text
from engine.events import Event, in_the_name_of
from engine.store import books, history, people, worklists
from engine.store.books import Book
from engine.store.worklists import Filter
from workflows.imported import UNWITNESSED
from workflows.record import RECORD
from workflows.reference import form_columns, levels, taxonomy

WORKFLOWS = ("hazard", RECORD.key)
SOURCES = {
    "self_check": "自查", "group": "分组", "cross": "交叉", "spot_check": "抽查", "superior": "上级", "staff": "师生上报",
    "anonymous": "匿名上报", "older_ledger": "原有台账",
}  # fmt: skip
FIXING = {"fix", "correct_on_spot"}
A3 = 8  # XlsxWriter's number of the paper: 26 columns stay readable on it
LINE_POINTS = 15  # height of one line at 11 points
#: characters; a Chinese one takes two
WIDTHS = {
    "编号": 14, "来源": 10, "部位": 18, "隐患描述": 34, "类别": 16, "等级": 10, "责任部门": 16, "整改措施": 34, "整改资金": 14,
    "延期次数": 6, "防范措施": 28, "整改情况": 30, "整改前照片": 8, "整改后照片": 8, "复查人": 16, "备注": 36,
}  # fmt: skip
OTHERWISE = 13
ASCII = 127


@dataclass(frozen=True)
class Told:
    """A case with what happened to it and the words around it: everything a row is made of."""

    workflow: Workflow
    case: Case
    events: Sequence[Event]
    names: Mapping[str, str]
    departments: Mapping[str, str]
    zone: ZoneInfo
    now: datetime
    book: Book | None = None

    @cached_property
    def written(self) -> Mapping[str, str]:
        """Field of a ledger → what an older one says there."""
        said = self.case.facts.get(TAKEN_OVER) or {}
        found: dict[str, str] = {}
        for heading, text in said.get("written", {}).items():
            name = field_of_written(heading)
            if name is not None:
                found.setdefault(name, text)
        return found

    def claimed(self, name: str) -> str:
        """A day or another value that an older ledger gives; its own words where nobody could read them."""
        said = self.case.facts.get(TAKEN_OVER) or {}
        return str(said.get(name) or self.written.get(_WRITTEN_AS.get(name, name), ""))

    def last(self, *triggers: str) -> Event | None:
        return next((event for event in reversed(self.events) if event.trigger in triggers), None)

    def day(self, instant: datetime | None) -> str:
        return "" if instant is None else f"{instant.astimezone(self.zone):%Y-%m-%d}"

    def by(self, event: Event | None) -> str:
        """Whoever did it, with whom he represented."""
        if event is None:
            return ""
        represented = None if event.on_behalf_of is None else self._called(event.on_behalf_of)
        return in_the_name_of(self._called(event.actor), represented).zh

    def _called(self, principal: str) -> Text:
        name = self.name(principal.removeprefix("person:"))
        return Text(name, name)

    def name(self, person: str | None) -> str:
        return "" if person is None else self.names.get(person, person)

    def said(self, event: Event | None, field: str) -> str:
        value = None if event is None else event.data.get(field)
        return "" if value is None else str(value)


def write_ledger(
    connection: Connection,
    catalog: Catalog,
    organisation: str,
    now: datetime,
    file: BinaryIO,
    progress: Callable[[Sequence[Case]], Iterable[Case]] = lambda cases: cases,
    year: int | None = None,
) -> int:
    """Write the organisation's ledger to `file`, or the book of one year, by the day each was found; gives how many cases it holds.

    progress   goes through the cases, telling how far it is
    """
    seen = visibility(system(organisation), catalog.overseers)
    of_year = books.book_of(connection, organisation, year)
    found = [
        case
        for key in WORKFLOWS
        for case in worklists.all_cases(connection, seen, Filter(workflow=key, book=year), now)
    ]
    if of_year is not None:
        zone = of_year.zone
        found.sort(key=lambda case: (_found_on(case, zone), case.number))
    columns = form_columns("ledger")
    # row by row: a ledger of ten years fits a small server
    with sheets.begun(file, row_by_row=True) as book:
        sheet = book.add_worksheet("台账")
        head = book.add_format(
            {"bold": True, "text_wrap": True, "valign": "vcenter", "border": 1, "bg_color": "#E7EEF7"}
        )
        cell = book.add_format({"text_wrap": True, "valign": "top", "border": 1})
        sheet.freeze_panes(1, 1)
        sheet.set_landscape()
        sheet.set_paper(A3)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_header(f"&C&B{'' if year is None else f'{year} 年'}隐患排查整改台账")
        sheet.set_footer("&C第 &P 页，共 &N 页")
        widths = [WIDTHS.get(_short(column), OTHERWISE) for column in columns]
        for index, width in enumerate(widths):
            sheet.set_column(index, index, width)
        sheet.set_row(0, _height(columns, widths))
        for index, column in enumerate(columns):
            sheet.write_string(0, index, column, head)
        told = _told(connection, catalog, organisation, now, progress(found), of_year)
        for row, case in enumerate(told, start=1):
            cells = row_of(case)
            texts = [cells.get(_short(column), "") for column in columns]
            sheet.set_row(row, _height(texts, widths))
            for index, text in enumerate(texts):
                sheet.write_string(row, index, text, cell)
        sheet.autofilter(0, 0, max(len(found), 1), len(columns) - 1)
    return len(found)


def _told(
    connection: Connection, catalog: Catalog, organisation: str, now: datetime, found: Iterable[Case], book: Book | None
) -> Iterator[Told]:
    names = people.names(connection, organisation)
    departments = {d.code: d.name.zh for d in people.departments(connection, organisation)}
    zone = people.time_zone(connection, organisation)
    for case in found:
        events = history.events_of(connection, organisation, case.number)
        yield Told(catalog.of(case), case, events, names, departments, zone, now, book)


def _found_on(case: Case, zone: ZoneInfo) -> str:
    claim = case.claim
    return claim.since if claim is not None and claim.since else f"{case.opened_at.astimezone(zone):%Y-%m-%d}"


def _height(texts: Sequence[str], widths: Sequence[int]) -> int:
    """Points that the row needs: programs that do not measure wrapped text on opening would cut it off."""
    lines = [
        math.ceil(sum(2 if ord(c) > ASCII else 1 for c in t) / (w - 1)) for t, w in zip(texts, widths, strict=True)
    ]
    return LINE_POINTS * max(1, *lines)


def _short(column: str) -> str:
    return column.partition("（")[0]


def row_of(told: Told) -> dict[str, str]:
    """The row's cells by the short headings of the form `ledger`."""
    case, facts = told.case, told.case.facts
    if not told.workflow.witnessed:
        return _record(told)
    fixed, verified = told.last(*FIXING), told.last("verify", "return")
    approved = told.last("approve")
    opened = told.events[0]
    return {
        "编号": case.number,
        "来源": told.written.get("source") or SOURCES.get(str(facts.get("source", "")), str(facts.get("source", ""))),
        "检查日期": told.claimed("found_on") or told.day(opened.found_at or case.opened_at),
        # who took it over signed for that, and not for the inspection
        "检查人签名": told.by(opened) if case.reporter and case.claim is None else told.claimed("inspector"),
        "部位": case.place,
        "隐患描述": _description(case),
        "类别": _category(case),
        "等级": _level(case),
        "整改前照片": _pictures(opened.data.get("photos")),
        "责任部门": told.departments.get(case.department or "", case.department or "") or told.claimed("department"),
        "责任人": told.name(case.assignee) or told.claimed("responsible"),
        "整改措施": str(facts.get("requirement") or facts.get("measures") or told.claimed("measures")),
        "整改资金": str(facts.get("spent") or facts.get("fund") or told.claimed("fund")),
        "整改时限": told.day(_limit(told)) or told.claimed("limit_on"),
        "原定时限": told.day(case.first_due_at),
        "延期次数": str(case.counters.get("extended", 0)),
        "防范措施": str(facts.get("interim") or facts.get("emergency_plan") or ""),
        "整改情况": told.said(fixed, "measure"),
        "完成日期": told.day(fixed.recorded_at if fixed else None),
        "整改后照片": _pictures(fixed.data.get("photos_after") if fixed else None),
        "复查人": _verifiers(told, fixed),
        "复查日期": told.day(verified.recorded_at if verified else None),
        "复查结论": "" if verified is None else "合格" if verified.trigger == "verify" else "不合格，退回整改",
        "销号人": told.by(approved) if case.state == "closed" else "",
        "销号日期": told.day(case.closed_at if case.state == "closed" else None),
        "备注": _remarks(told),
    }


def _record(told: Told) -> dict[str, str]:
    """Of what this program did not see: the older ledger's words, and the days it claims."""
    case = told.case
    copied = {
        "来源": "source", "检查日期": "found_on", "检查人签名": "inspector", "责任人": "responsible", "整改措施": "measures",
        "整改资金": "fund", "整改时限": "limit_on", "原定时限": "first_limit", "延期次数": "extended", "防范措施": "interim",
        "整改情况": "result", "完成日期": "closed_on", "复查人": "verifier", "复查日期": "verified_on", "复查结论": "verdict",
        "销号人": "closer", "销号日期": "closer_on",
    }  # fmt: skip
    return {
        **{heading: told.claimed(name) for heading, name in copied.items()},
        "编号": case.number,
        "部位": case.place,
        "隐患描述": _description(case),
        "类别": _category(case),
        "等级": _level(case),
        "责任部门": told.departments.get(case.department or "", case.department or "") or told.claimed("department"),
        "备注": _remarks(told),
    }


#: what is read of an older ledger → the field of it where it was written, where that is called otherwise
_WRITTEN_AS: Mapping[str, str] = {"limit_on": "limit"}


def _description(case: Case) -> str:
    details = case.facts.get("details")
    if case.claim is not None and details:  # the whole of what was too long for a title
        return str(details)
    return case.title + (f"（{details}）" if details else "")


def _category(case: Case) -> str:
    return taxonomy().title(case.category) if case.category in taxonomy().all else case.category


def _level(case: Case) -> str:
    level = case.level or (case.facts.get(TAKEN_OVER) or {}).get("level") or ""
    return levels()[level].title.zh if level in levels() else level


def _limit(told: Told) -> datetime | None:
    """The limit of the last time it was being fixed; a later clock is that of whoever verifies."""
    limit = None
    for event in told.events:
        clock = event.changes.get("clock")
        if clock and told.workflow.state(event.to_state).counted == "assigned":
            limit = datetime.fromisoformat(clock["due_at"])
    return limit


def _verifiers(told: Told, fixed: Event | None) -> str:
    """Everyone who signed since it was last fixed: an acceptance group signs one by one."""
    since = fixed.sequence if fixed else 0
    signed = [told.by(e) for e in told.events if e.sequence > since and e.trigger in ("verify", "return")]
    return "、".join(dict.fromkeys(signed))


def _pictures(photos: object) -> str:
    return f"{len(photos)} 张" if isinstance(photos, list) and photos else ""


def _remarks(told: Told) -> str:
    case = told.case
    remarks = [] if case.state == "closed" and told.workflow.witnessed else [told.workflow.state(case.state).title.zh]
    if (claim := case.claim) is not None:
        remarks += [UNWITNESSED.zh, f"原编号 {claim.number}"] if claim.number else [UNWITNESSED.zh]
        if not told.workflow.witnessed:
            remarks.append("原表称已整改")
        if "category_suggested" in case.facts[TAKEN_OVER]["doubts"]:
            remarks.append("类别为系统建议")
    if told.book is not None and told.book.carries_over(case):
        remarks.append("结转")
    if case.facts.get("on_spot"):
        remarks.append("当场改正")
    if case.overdue(told.now):
        remarks.append("已逾期")
    if case.supervised:
        remarks.append("挂牌督办")
    if returned := case.counters.get("returned"):
        remarks.append(f"退回 {returned} 次")
    remarks += [f"{_LINKS[link.kind]} {link.number}" for link in case.links if link.kind in _LINKS]
    return "；".join(remarks)


_LINKS = {"merged_into": "并入", "rebound_of": "反弹自", "parent": "来自"}
