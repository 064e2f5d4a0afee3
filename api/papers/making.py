"""Papers made for somebody who asks: which there are of a case, what keeps one from being issued, and the file he takes away."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.auth import Asker
from api.bootstrap import Runtime
from api.papers import book, html, telling
from api.papers.kinds import BY_CODE, LISTS_BY_CODE, PROSE_BY_CODE, Kind, ListKind, Prose, papers_of
from api.papers.kinds.lists import Form
from api.papers.paper import Paper, Sheet, short
from api.papers.pictures import holding_back, printed, showing
from api.papers.story import Story
from api.papers.summary import counting, wording
from api.papers.summary.document import Document
from api.papers.word import asking
from api.places import Places
from api.problems import FileGone, unknown_address
from api.reading import visible_case
from api.requests import unreadable
from api.trail import Reader, noted, told_of
from engine.authority import may_see_evidence
from engine.definition import Workflow
from engine.errors import NotAllowed, NotPossibleNow, Text
from engine.events import Event
from engine.store import files, people, templates, worklists
from engine.store.files import FileRecord
from engine.store.worklists import Filter
from workflows.reference import levels, taxonomy

MEDIA_TYPES: Mapping[Form, str] = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html; charset=utf-8",
}
#: rows of a paper over many cases: what Word opens without delay, and what a workbook of a school has
MOST_ROWS: Mapping[Form, int] = {"docx": 500, "html": 500, "xlsx": 10_000}
#: files made at once beside a server: pictures are unfolded, histories read, Word is a process. No school takes all of them
PLACES = Places(4, each=2)
TOO_MANY = Text("同时生成文书的人太多", "too many papers are being made at once")


# --- of one case ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Available:
    """A paper of a case: as an event finished it, or what keeps it from being there.

    event     the sequence of that event; None where there is none yet
    at        when that was
    missing   headings that have to be filled before it may be issued; till then it can be looked at as a draft
    why_not   why there is none, or why it may not be issued
    """

    kind: Kind | Prose
    event: int | None = None
    at: datetime | None = None
    missing: tuple[str, ...] = ()
    why_not: Text | None = None


def available(
    runtime: Runtime, connection: Connection, asker: Asker, workflow: Workflow, number: str
) -> list[Available]:
    """Every kind the loop has, in their order; of one that was made several times each, the latest first."""
    case = visible_case(connection, asker, number, workflow)
    story = telling.story_of(connection, runtime.engine.catalog, asker, case, runtime.clock.now())
    return of_story(story)


def of_story(story: Story) -> list[Available]:
    found = []
    for kind in papers_of(story.case.workflow):
        moments = kind.moments(story)
        if not moments:
            found.append(Available(kind, why_not=kind.none_yet))
        for moment in reversed(moments):
            missing = kind.missing(story, moment)
            why_not = _lacks(missing) if missing else None
            found.append(Available(kind, moment.sequence, moment.recorded_at, missing, why_not))
    return found


def _lacks(missing: Sequence[str]) -> Text:
    said = "、".join(map(short, missing))
    return Text(f"尚缺必填项：{said}", f"required columns are empty: {said}")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A paper with the pictures it shows."""

    kind: Kind
    paper: Paper
    event: int
    records: Mapping[str, FileRecord]

    @property
    def missing(self) -> tuple[str, ...]:
        return self.paper.missing


@dataclass(frozen=True, slots=True)
class Written:
    """A paper in prose."""

    kind: Prose
    case: str
    document: Document
    event: int
    missing: tuple[str, ...]


def drawn(
    runtime: Runtime, asker: Asker, workflow: Workflow | None, number: str, code: str, event: int | None, *, draft: bool
) -> Drawn | Written:
    """The paper as an event finished it: the latest of its kind, or the one that is asked for.

    workflow   the loop whose address was asked; None for whichever the case is of
    draft      whether one that may not be issued is wanted all the same
    Raises     UnknownCase, UnknownAddress; NotPossibleNow where there is none, or it may not be issued; NotAllowed for one that
               tells of cases the asker does not see
    """
    if code in PROSE_BY_CODE:
        return _written(runtime, asker, workflow, number, PROSE_BY_CODE[code], event, draft=draft)
    kind, here = BY_CODE.get(code), asker.actor.organisation
    with runtime.database.read(here) as connection:
        case = visible_case(connection, asker, number, workflow)
        if kind is None or kind.workflow != case.workflow:
            raise unknown_address()
        asked = Text(f"生成 {number} 的{kind.title.zh}", f"Make the paper {kind.title.en!r} of {number}")
        story = telling.story_of(connection, runtime.engine.catalog, asker, case, runtime.clock.now())
        moment = _moment(kind, story, event, asked)
        story = telling.as_then(connection, story, kind.related_at(story, moment))
        school = people.organisation(connection, here)
        assert school is not None  # the case is one of its
        paper = kind.paper(story, moment, school.name.zh)
        if paper.missing and not draft:
            raise _not_issued(asked, paper.missing)
        if not may_see_evidence(story.workflow, case, asker.actors):
            return Drawn(kind, holding_back(paper), moment.sequence, {})
        records = {sha: files.find(connection, here, sha) for sha in paper.pictures()}
    return _shown(runtime, kind, paper, moment, records)


def _written(
    runtime: Runtime,
    asker: Asker,
    workflow: Workflow | None,
    number: str,
    kind: Prose,
    event: int | None,
    *,
    draft: bool,
) -> Written:
    """As `drawn`, of a paper in prose: words and numbers are those of the event, and the cases it names as they were known then."""
    with runtime.database.read(asker.actor.organisation) as connection:
        case = visible_case(connection, asker, number, workflow)
        if kind.workflow != case.workflow:
            raise unknown_address()
        asked = Text(f"生成 {number} 的{kind.title.zh}", f"Make the paper {kind.title.en!r} of {number}")
        if not asker.seen.everything:
            raise NotAllowed(
                asked=asked,
                obstacle=Text("小结列举全校的事项，您只能查看其中一部分", "it names cases of the whole school, and you may see some of them only"),
                remedy=Text("请由安稳办下载", "Leave it to the safety office"),
            )  # fmt: skip
        story = telling.story_of(connection, runtime.engine.catalog, asker, case, runtime.clock.now())
    moment = _moment(kind, story, event, asked)
    missing = kind.missing(story, moment)
    if missing and not draft:
        raise _not_issued(asked, missing)
    told = counting.gather(runtime, counting.of_case(story.at(moment)))
    return Written(
        kind,
        number,
        wording.of_case(story.at(moment), told, moment.recorded_at, _signature(story, moment)),
        moment.sequence,
        missing,
    )


def _signature(story: Story, moment: Event) -> str:
    return f"签发：{story.signed(moment)}" if moment.trigger == "sign" else "草稿：尚未签发，文字和数字还可能改动"


def _not_issued(asked: Text, missing: Sequence[str]) -> NotPossibleNow:
    return NotPossibleNow(
        asked=asked, obstacle=_lacks(missing),
        remedy=Text("请先办理相应步骤；只看草稿请加 draft=true", "Take the steps that fill them; to look at a draft ask with draft=true"),
    )  # fmt: skip


def _moment(kind: Kind | Prose, story: Story, event: int | None, asked: Text) -> Event:
    moments = kind.moments(story)
    if not moments:
        raise NotPossibleNow(
            asked=asked, obstacle=kind.none_yet,
            remedy=Text("请在办理该步骤之后再生成", "Ask again when that step was taken"),
        )  # fmt: skip
    if event is None:
        return moments[-1]
    found = next((each for each in moments if each.sequence == event), None)
    if found is None:
        numbers = "、".join(str(each.sequence) for each in moments)
        unreadable(Text(f"event 只能是 {numbers}", f"event has to be one of {numbers}"), "event")
    return found


def _shown(runtime: Runtime, kind: Kind, paper: Paper, moment: Event, found: Mapping[str, FileRecord | None]) -> Drawn:
    """With the pictures that are there; of the others it is said what became of them."""
    records, why_not = {}, {}
    for sha, record in found.items():
        if record is None or not record.is_picture:
            why_not[sha] = "没有该文件的记录"
        elif record.erased is not None:
            why_not[sha] = f"{telling.ERASED}，见操作日志第 {record.erased} 条"
        else:
            try:
                runtime.files.read_from(record)
            except FileGone:
                why_not[sha] = "文件已不在数据目录中"
            else:
                records[sha] = record
    return Drawn(kind, showing(paper, why_not), moment.sequence, records)


def file_of(runtime: Runtime, asker: Asker, made: Drawn | Written, form: Form) -> bytes:
    """The paper as a file. Who takes it stands in the logbook before he has it. Raises Busy, InvalidInput for a template."""
    if isinstance(made, Written):
        with PLACES.one(
            Text(f"生成{made.kind.title.zh}", f"Make the paper {made.kind.title.en!r}"),
            TOO_MANY,
            asker.actor.organisation,
        ):
            if form == "docx":
                content = asking.summary_of(made.document)
            else:
                content = html.file_of_summary(made.document, runtime.settings.reached_at).encode()
        _note(runtime, asker, made.case, made.kind.code, made.event, form)
        return content
    paper, kind = made.paper, made.kind
    asked = Text(f"生成{kind.title.zh}", f"Make the paper {kind.title.en!r}")
    with PLACES.one(asked, TOO_MANY, asker.actor.organisation):
        pictures = {sha: printed(runtime.files.read_from(made.records[sha]).read_bytes()) for sha in paper.pictures()}
        if form == "docx":
            content = asking.paper_of(kind, paper, pictures, _template(runtime, asker, kind))
        elif form == "xlsx":
            file = io.BytesIO()
            book.write_paper(file, paper, pictures)
            content = file.getvalue()
        else:
            content = html.file_of_paper(
                paper, pictures, stamped=kind.stamped, base=runtime.settings.reached_at
            ).encode()
    _note(runtime, asker, paper.case, kind.code, made.event, form)
    return content


def _note(runtime: Runtime, asker: Asker, case: str, code: str, event: int, form: Form) -> None:
    noted(runtime, Reader.of(asker), "paper", {"case": case, "paper": code, "event": event, "format": form}, 1)


def _template(runtime: Runtime, asker: Asker, kind: Kind | ListKind) -> bytes | None:
    with runtime.database.read(asker.actor.organisation) as connection:
        return templates.content(connection, asker.actor.organisation, kind.code)


# --- of many --------------------------------------------------------------------------------------------------------------


def list_kind(code: str, form: Form) -> ListKind:
    """Raises UnknownAddress for none, or one that cannot be had so."""
    kind = LISTS_BY_CODE.get(code)
    if kind is None or form not in kind.forms:
        raise unknown_address()
    return kind


def list_of(runtime: Runtime, asker: Asker, kind: ListKind, wanted: Filter, form: Form) -> bytes:
    """The paper over the cases that the filter finds, the oldest first. Raises NotPossibleNow for too many, Busy, InvalidInput."""
    wanted, now = replace(wanted, workflow=kind.workflow), runtime.clock.now()
    asked = Text(f"生成{kind.title.zh}", f"Make the paper {kind.title.en!r}")
    with PLACES.one(asked, TOO_MANY, asker.actor.organisation):
        with runtime.database.read(asker.actor.organisation) as connection:
            many = worklists.count(connection, asker.seen, wanted, now)
            if many > MOST_ROWS[form]:
                raise NotPossibleNow(
                    asked=asked,
                    obstacle=Text(f"共 {many} 项，{form} 最多 {MOST_ROWS[form]} 项", f"there are {many}, and {form} takes {MOST_ROWS[form]}"),
                    remedy=Text("请缩小筛选范围，或改用 Excel", "Narrow the filter, or take it as Excel"),
                )  # fmt: skip
            sheet = _sheet(runtime, connection, asker, kind, wanted, now)
        content = _WRITERS[form](runtime, asker, kind, sheet)
    noted(runtime, Reader.of(asker), kind.code, {**told_of(wanted), "format": form}, len(sheet.rows))
    return content


def _sheet(
    runtime: Runtime, connection: Connection, asker: Asker, kind: ListKind, wanted: Filter, now: datetime
) -> Sheet:
    catalog, here = runtime.engine.catalog, asker.actor.organisation
    around = telling.Around.of(connection, asker)
    found = [case for page in _pages(connection, asker, wanted, now) for case in page]
    told = telling.told_of(connection, catalog, asker, reversed(found), now, around)
    school = people.organisation(connection, here)
    assert school is not None  # somebody signed in there
    zone = people.time_zone(connection, here)
    return Sheet(
        code=kind.code, title=kind.title.zh, school=school.name.zh, groups=kind.groups,
        rows=tuple(kind.row(each, at) for at, each in enumerate(told, start=1)),
        about=_about(runtime, wanted, around, kind), made_at=f"{now.astimezone(zone):%Y-%m-%d %H:%M}",
    )  # fmt: skip


def _pages(connection: Connection, asker: Asker, wanted: Filter, now: datetime) -> Iterator[Sequence[Any]]:
    after = None
    while True:
        page = worklists.page(connection, asker.seen, wanted, now, limit=telling.AT_ONCE, after=after)
        yield page.cases
        after = page.next_after
        if after is None:
            return


def _about(runtime: Runtime, wanted: Filter, around: telling.Around, kind: ListKind) -> str:
    """The filter in words."""
    workflow = runtime.engine.catalog.get(kind.workflow)
    titles = {} if workflow is None else {state.name: state.title.zh for state in workflow.states}
    words: Mapping[str, Callable[[Any], str]] = {
        "state": lambda v: titles.get(v, v), "counts_as": lambda v: titles.get(v, v),
        "level": lambda v: levels()[v].title.zh if v in levels() else v,
        "category": lambda v: taxonomy().title(v) if v in taxonomy().all else v,
        "department": lambda v: around.departments.get(v, v), "assignee": lambda v: around.names.get(v, v),
        "overdue": lambda v: "已逾期" if v else "未逾期", "open_": lambda v: "未办结" if v else "已办结",
        "q": lambda v: f"含“{v}”",
    }  # fmt: skip
    said = [
        words[name](value) if name in words else f"{name}={'、'.join(value) if isinstance(value, list) else value}"
        for name, value in told_of(wanted).items()
        if name != "workflow"
    ]
    return "；".join(said) or "全部隐患"


def _docx(runtime: Runtime, asker: Asker, kind: ListKind, sheet: Sheet) -> bytes:
    return asking.sheet_of(kind, sheet, _template(runtime, asker, kind))


def _xlsx(_: Runtime, __: Asker, kind: ListKind, sheet: Sheet) -> bytes:
    file = io.BytesIO()
    book.write_sheet(file, sheet, kind.widths)
    return file.getvalue()


def _html(_: Runtime, __: Asker, ___: ListKind, sheet: Sheet) -> bytes:
    return html.file_of_sheet(sheet).encode()


_WRITERS: Mapping[Form, Callable[[Runtime, Asker, ListKind, Sheet], bytes]] = {
    "docx": _docx, "xlsx": _xlsx, "html": _html,
}  # fmt: skip
