"""The prose of a stage summary with places for what is counted, and what fills them in.

A place is `{name}`: a number by its key, some words (`{school}`), or a list that stands alone in its paragraph (`{plans.list}`).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from difflib import get_close_matches
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import ValidationError

from api.addressees import counts
from api.papers.summary.counting import Gathered
from api.papers.summary.document import Cited, Counted, Document, Gap, Line, Paragraph, Part, Said, Section
from api.papers.summary.questions import CAME, OWED, is_detail, titled
from engine.case import Case
from engine.errors import FolderError, Text
from workflows.reference import taxonomy
from workflows.summary_text import PLACE, TO_WRITE, SummaryText

NOTHING = "本阶段没有这方面的记录"
MOST_NAMED = 10  # of what is still open: a summary names the worst, and its number leads to all of them
_PLACE = re.compile(rf"{PLACE.pattern}|({TO_WRITE})")


def read_text(said: str) -> SummaryText:
    """A text from its file. Raises FolderError for what is none."""
    try:
        return SummaryText.model_validate(yaml.safe_load(said))
    except (yaml.YAMLError, ValidationError) as error:
        why = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or '-'}: {each['msg']}" for each in error.errors()
        ) if isinstance(error, ValidationError) else str(error)  # fmt: skip
        raise FolderError(
            Text(f"文字文件写法有误：{why}。请对照 bihuan summary --default-text 修改。",
                 f"The text cannot be read: {why}. Hold it against `bihuan summary --default-text`.")
        ) from error  # fmt: skip


BY_COMMAND = "可用 bihuan summary --again 重新统计并逐项比对。"


def of_case(case: Case, told: Gathered, at: datetime, signature: str) -> Document:
    """The document of a summary that is a case, with the words and the title that the case has."""
    text = SummaryText.model_validate(case.facts["words"])
    again = f"可在 {case.number} 重新统计，或用 bihuan audit figures {case.number} 逐项比对。"
    return replace(written(text, told, at, again), title=case.title, signature=signature)


def written(text: SummaryText, told: Gathered, now: datetime, again: str = BY_COMMAND) -> Document:
    """The document. Raises FolderError for a place that nothing fills in.

    now    when it is written
    again  how its numbers are counted again
    """
    snapshot, filling = told.snapshot, _Filling(told)
    sections = tuple(
        Section(section.heading, tuple(chain.from_iterable(map(filling.paragraphs, section.paragraphs))))
        for section in text.sections
    )
    zone = ZoneInfo(told.calendar.time_zone)
    kept = snapshot.as_of.astimezone(zone)
    return Document(
        title=text.title,
        school=told.school,
        span=f"{_day(snapshot.first)}至{_day(snapshot.last)}",
        locked=(
            f"数字统计截至 {kept:%Y-%m-%d %H:%M:%S}，此后的登记不计入；数字快照校验值 SHA-256 {snapshot.digest}。"
            f"{again}"
        ),
        dated=_day(now.astimezone(zone).date()),
        sections=sections,
        numbers=tuple(
            Line(titled(number.title, told.departments), filling.number(key))
            for key, number in snapshot.numbers.items()
            if number.count or not is_detail(key)
        ),
    )


class _Filling:
    """What stands in the places of a text."""

    def __init__(self, told: Gathered) -> None:
        self._told = told
        self._snapshot = told.snapshot
        self._words: Mapping[str, str] = {
            "school": told.school,
            "first": _day(told.snapshot.first),
            "last": _day(told.snapshot.last),
        }
        self._rows: Mapping[str, Callable[[], Sequence[Part]]] = {"found.kinds": self._kinds}
        self._lists: Mapping[str, Callable[[], Iterable[Sequence[Part]]]] = {
            "superior.list": lambda: map(self._superior, self._named("superior")),
            "meetings.list": lambda: map(self._meeting, self._named("meetings")),
            "plans.list": lambda: map(self._dated, self._named("plans")),
            "rosters.list": lambda: map(self._dated, self._named("rosters")),
            "drills.list": lambda: map(self._drill, self._told.cases["drills_held"]),
            "breaks.list": self._breaks,
            "filings.list": self._filings,
            "overdue.list": lambda: map(self._left, self._worst("overdue_at_end")),
            "open.list": lambda: map(self._left, self._worst("in_time_at_end")),
        }

    def paragraphs(self, said: str) -> list[Paragraph]:
        """The paragraph, or a list of them where it stands for one."""
        found = _PLACE.fullmatch(said.strip())
        if found is not None and found[1] in self._lists:
            items = [Paragraph(tuple(parts), item=True) for parts in self._lists[found[1]]()]
            return items or [Paragraph((Said(f"{NOTHING}。"),), item=True)]
        return [Paragraph(tuple(self._parts(said)))]

    def number(self, key: str) -> Counted:
        return Counted(key, str(self._snapshot.numbers[key].count), self._snapshot.query(key))

    def _parts(self, said: str) -> Iterable[Part]:
        at = 0
        for found in _PLACE.finditer(said):
            if found.start() > at:
                yield Said(said[at : found.start()])
            yield from [Gap(TO_WRITE)] if found[2] else self._of(found[1])
            at = found.end()
        if at < len(said):
            yield Said(said[at:])

    def _of(self, name: str) -> Sequence[Part]:
        if name in self._snapshot.numbers:
            return [self.number(name)]
        if name in self._words:
            return [Said(self._words[name])]
        if name in self._rows:
            return self._rows[name]()
        raise self._unknown(name)

    def _unknown(self, name: str) -> FolderError:
        if name in self._lists:
            return FolderError(
                Text(
                    f"{{{name}}} 是列表，要单独成段。", f"{{{name}}} is a list and has to stand alone in its paragraph."
                )
            )
        known = [*self._snapshot.numbers, *self._words, *self._rows, *self._lists]
        near = get_close_matches(name, known, n=1)
        return FolderError(
            Text(
                f"文字中的 {{{name}}} 没有对应的数字。"
                + (f"是不是 {{{near[0]}}}？" if near else "请对照默认文字修改。"),
                f"Nothing fills in {{{name}}}. "
                + (f"Did you mean {{{near[0]}}}?" if near else "Hold it against `bihuan summary --default-text`."),
            )
        )

    # --- lists ---------------------------------------------------------------------------------------------------------

    def _named(self, key: str) -> list[Case]:
        """Papers and meetings by their day."""
        return sorted(self._told.cases[key], key=lambda case: (str(case.facts["dated_on"]), case.number))

    def _worst(self, key: str) -> list[Case]:
        """Those whose deadline is or was first."""
        found = self._told.cases[key]
        dated = [case for case in found if case.due_at is not None]
        return sorted(dated, key=lambda case: (str(case.due_at), case.number))[:MOST_NAMED]

    def _superior(self, case: Case) -> Sequence[Part]:
        return [
            Said(f"{self._on(case)}{_issuer(case)}{_title(case)}（"),
            Cited(case.number),
            Said(f"）{_confirmed(case)}。"),
        ]

    def _meeting(self, case: Case) -> Sequence[Part]:
        facts = case.facts
        came = f"，应到{facts['should_attend']}人、实到{facts['attended']}人" if "attended" in facts else ""
        read = f"，会上通报《{facts['read_out']}》" if facts.get("read_out") else ""
        points = f"。会议内容：{_sentence(facts['points'])}" if facts.get("points") else "。"
        return [
            Said(f"{self._on(case)}{_title(case)}（"),
            Cited(case.number),
            Said(f"）{came}{read}{_confirmed(case)}{points}"),
        ]

    def _dated(self, case: Case) -> Sequence[Part]:
        return [Said(f"{self._on(case)}{_title(case)}（"), Cited(case.number), Said(f"）{_confirmed(case)}。")]

    def _drill(self, case: Case) -> Sequence[Part]:
        facts = case.facts
        met = "达到" if facts.get("target_met") else "未达到"
        return [
            Said(f"{_day(date.fromisoformat(str(facts['held_on'])))}，{case.place}：{_title(case)}（"),
            Cited(case.number),
            Said(
                f"），应到{facts['should_attend']}人、实到{facts['attended']}人，疏散用时{facts['evacuation_seconds']}秒，"
                f"{met}目标{facts['target_seconds']}秒。"
            ),
        ]  # fmt: skip

    def _left(self, case: Case) -> Sequence[Part]:
        department = self._told.departments.get(case.department or "", case.department or "未定责任部门")
        due = "" if case.due_at is None else f"，期限{_day(self._told.calendar.local_date(case.due_at))}"
        where = "" if case.place in ("", department) else f"，{case.place}"  # of a round, the place is the department
        return [Said(f"“{case.title}”（"), Cited(case.number), Said(f"）{where}，{department}{due}。")]

    def _kinds(self) -> Sequence[Part]:
        """By category, what there is of it."""
        return self._row(
            "found_", [*((c.code, c.title.zh) for c in taxonomy().categories.values()), ("-", "未分类")], "处"
        )

    def _breaks(self) -> Iterable[Sequence[Part]]:
        for n, pause in enumerate(self._snapshot.breaks, start=1):
            key = f"break{n}_"
            kinds = [(c.code, c.title.zh) for c in taxonomy().categories.values()]
            yield [
                Said(f"{pause.name}（{_day(pause.first)}至{_day(pause.last)}）期间报告整改"), self.number(f"{key}fixed"),
                Said("处，其中至期末已销号"), self.number(f"{key}removed"), Said("处；放假前联合（分组）检查发现、假期集中整治排除的隐患"),
                self.number(f"{key}grouped"), Said("处。按责任部门："),
                *self._row(f"{key}grouped_by_", list(self._told.departments.items()), "处"), Said("；按类别："),
                *self._row(f"{key}grouped_of_", [*kinds, ("-", "未分类")], "处"), Said("。"),
            ]  # fmt: skip

    def _filings(self) -> Iterable[Sequence[Part]]:
        for key, (_, title) in OWED.items():
            if key in ("rounds", "daily"):  # the text has places for them
                continue
            parts: list[Part] = [Said(f"{title.zh}：")]
            for n, (came, (_, words)) in enumerate(CAME.items()):
                parts += [Said(f"{'，' if n else ''}{words.zh}"), self.number(f"{key}_{came}"), Said("期次")]
            yield [*parts, Said("。")]

    def _row(self, prefix: str, among: Sequence[tuple[str, str]], unit: str) -> Sequence[Part]:
        """Those of a row of numbers that are not 0."""
        parts: list[Part] = []
        for code, title in among:
            if prefix + code in self._snapshot.numbers and self._snapshot.numbers[prefix + code].count:
                parts += [Said(f"{'、' if parts else ''}{title}"), self.number(prefix + code), Said(unit)]
        return parts or [Said("无")]

    def _on(self, case: Case) -> str:
        return f"{_day(date.fromisoformat(str(case.facts['dated_on'])))}，"


def _title(case: Case) -> str:
    return f"《{case.title}》" if not case.title.startswith("《") else case.title


def _issuer(case: Case) -> str:
    said: Any = case.facts.get("issuer")
    return str(said or "")


def _sentence(said: object) -> str:
    words = str(said).strip()
    return words if words.endswith(("。", "！", "？")) else f"{words}。"


def _confirmed(case: Case) -> str:
    """How many have to know, and do."""
    found = counts(case)
    if found is None:
        return "，尚未传达"
    rate = 100 * found["confirmed"] / found["asked"]
    excused = f"（免予确认{found['excused']}人）" if found["excused"] else ""
    return f"，应知{found['asked']}人，已确认{found['confirmed']}人，确认率{rate:.1f}%{excused}"


def _day(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
