"""What the lines of a ledger mean: hazards with days, states and departments, and whatever is to be doubted of each.

Pure. A hazard counts as closed only where the ledger says so; what says nothing, or two things, is open. Nothing is left out in
silence: of each line comes an entry, or a reason why none does.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from api.papers.ledger_list import TITLES, Ignored, LedgerList, Line
from api.papers.ledger_words import (
    Departments,
    Read,
    State,
    bare,
    category_of,
    day_of,
    level_of,
    several,
    shared_out,
    state_in,
    state_of,
)
from engine.directory import Person
from engine.errors import Text
from workflows.imported import DOUBT_WORDS, DOUBTS, Doubt
from workflows.reference.suggesting import suggest

LONGEST_LINE = 200  # characters that a title or a place takes
LONGEST_NUMBER = 100
MOST_OF_A_ROW = 60  # doubts
NOTHING = frozenset({"无", "暂无", "没有", "/", "\\", "-", "--", "—", "——", "－", "none", "n/a", "nil"})

#: what to do about a doubt
REMEDIES: Mapping[Doubt, Text] = {
    "date_unread": Text("请在原表改为 2019-11-03 这样的日期后再导入，或导入后由安稳办核对", "Write it like 2019-11-03 and import again, or check it afterwards"),
    "date_missing": Text("该项归入导入当年的台账；知道日期的请补上后再导入", "It stands in this year's book; give the day and import again, if it is known"),
    "date_year": Text("请核对年份", "Check the year"),
    "date_serial": Text("请核对日期", "Check the date"),
    "date_several": Text("请核对日期", "Check the date"),
    "date_future": Text("请更正日期后再导入", "Correct the date and import again"),
    "date_order": Text("请更正日期后再导入", "Correct the dates and import again"),
    "number_missing": Text("无需处理；新编号由系统给出", "Nothing to do; it gets a number here"),
    "number_shared": Text("请核对后缀", "Check the suffix"),
    "place_missing": Text("请补上部位", "Say where it is"),
    "status_unread": Text("确已整改的，请在原表写明“已整改”后再导入", "If it was fixed, write 已整改 there and import again"),
    "status_unsaid": Text("确已整改的，请在原表写明“已整改”后再导入", "If it was fixed, write 已整改 there and import again"),
    "status_by_words": Text("请核对；未整改的，请在原表写明“未整改”后再导入", "Check it; if it was not, write 未整改 there and import again"),
    "status_by_date": Text("请核对；未整改的，请在原表写明“未整改”后再导入", "Check it; if it was not, write 未整改 there and import again"),
    "status_contradicted": Text("请核对状态和日期", "Check its state and its dates"),
    "closed_undated": Text("知道完成日期的，请补上后再导入", "Give the day and import again, if it is known"),
    "level_unread": Text("请写“一般”或“重大”；未整改的由安稳办重新判定", "Write 一般 or 重大; what is open is graded at triage"),
    "category_unread": Text("请核对类别", "Check the category"),
    "category_suggested": Text("请核对类别", "Check the category"),
    "department_unread": Text("请按名册中的部门名称填写；未整改的由安稳办交办时指定", "Write a department as the directory has it; what is open gets one at triage"),
    "department_alike": Text("请核对部门", "Check the department"),
    "split": Text("请核对拆分", "Check how it was split"),
    "several_rows": Text("请核对合并", "Check how they were put together"),
    "same_again": Text("如为重复，请将其中一项作废", "If it is the same one, discard one of them"),
    "cut": Text("无需处理", "Nothing to do"),
    "no_result": Text("请在 Excel 或 WPS 中保存一次后再导入", "Save the file once in a spreadsheet program and import again"),
}  # fmt: skip
#: what is told of every line is told once where nothing in the line is the cause
QUIET: frozenset[Doubt] = frozenset({"category_suggested", "cut"})


@dataclass(frozen=True, slots=True)
class Doubted:
    """A doubt of one row: `field` a key of the list's columns, or none; `said` what stood there; `taken` what was made of it."""

    code: Doubt
    sheet: str
    row: int
    field: str | None = None
    said: str = ""
    taken: str = ""

    @property
    def text(self) -> Text:
        """The row, what stood there, what was understood, what is in doubt and what to do."""
        title = TITLES.get(self.field or "")
        words, remedy, said = DOUBT_WORDS[self.code], REMEDIES[self.code], self.said.replace("\n", " ")[:80]
        zh = f"“{self.sheet}”第 {self.row} 行" + (f" {title.zh}" if title else "") + (f"“{said}”" if said else "")
        en = f"{self.sheet!r} row {self.row}" + (f", {title.en}" if title else "") + (f" {said!r}" if said else "")
        zh_taken, en_taken = (f"（理解为 {self.taken}）", f" (taken as {self.taken})") if self.taken else ("", "")
        return Text(f"{zh}：{words.zh}{zh_taken}。{remedy.zh}", f"{en}: {words.en}{en_taken}. {remedy.en}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One hazard of the ledger.

    key         which it is, in whatever file it stands
    content     what is to be the same when the ledger is imported again
    number      as the ledger has it, with a suffix where several shared it; `original` without
    suggested   whether the category was suggested by words
    """

    sheet: str
    row: int
    key: str
    content: str
    number: str | None
    original: str | None
    title: str
    place: str
    details: str | None
    category: str | None
    level: Literal["general", "major"] | None
    department: str | None
    assignee: str | None
    source: str | None
    found_on: date | None
    limit_on: date | None
    closed: bool
    closed_on: date | None
    written: Mapping[str, str]
    doubts: tuple[Doubt, ...]

    def imported(self) -> dict[str, Any]:
        """As the forms take it."""
        return {
            "key": self.key, "number": self.number, "sheet": self.sheet, "row": self.row,
            "found_on": _iso(self.found_on), "limit_on": _iso(self.limit_on), "closed": self.closed,
            "closed_on": _iso(self.closed_on), "level": self.level, "written": dict(self.written),
            "doubts": list(self.doubts),
        }  # fmt: skip


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


@dataclass
class Understood:
    """`rows`: how many rows said anything: each has entries, or is named among the ignored."""

    entries: list[Entry] = field(default_factory=list)
    doubts: list[Doubted] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    notices: list[Text] = field(default_factory=list)
    rows: int = 0


@dataclass(frozen=True)
class Around:
    """What the words of a ledger are understood by: the school's departments and people, and what day it is."""

    departments: Departments
    people: Sequence[Person]
    today: date

    def person(self, name: str) -> str | None:
        """The key of the one active person who is called so, or the only one who holds the post."""
        said = bare(name)
        for of in ("name", "post"):
            found = [each.person for each in self.people if each.active and bare(getattr(each, of)) == said]
            if len(found) == 1:
                return found[0]
        return None


def understand(listed: LedgerList, around: Around) -> Understood:
    """Every line of it."""
    return _Understanding(listed, around).all()


class _Understanding:
    def __init__(self, listed: LedgerList, around: Around) -> None:
        self._listed = listed
        self._around = around
        self._found = Understood(ignored=list(listed.ignored), notices=list(listed.notices), rows=listed.rows)
        self._numbers = Counter((line.sheet, line.text("number")) for line in listed.lines if line.text("number"))
        self._numbered: Counter[tuple[str, str]] = Counter()
        self._seen: dict[str, tuple[str, int]] = {}
        self._times: Counter[tuple[str, str]] = Counter()
        self._unknown: defaultdict[str, int] = defaultdict(int)
        self._suggested = self._without_category = 0

    def all(self) -> Understood:
        for line in self._listed.lines:
            self._line(line)
        if self._suggested or self._without_category:
            self._found.notices.append(
                Text(
                    f"类别：{self._suggested} 项由系统按描述建议，请核对；{self._without_category} 项没有类别",
                    f"categories: {self._suggested} were suggested by their words, and are to be checked; {self._without_category} have none",
                )
            )
        if self._unknown:
            named = "、".join(list(self._unknown)[:10]) + ("…" if len(self._unknown) > 10 else "")
            self._found.notices.append(
                Text(
                    f"责任人：名册中认不出 {len(self._unknown)} 个（{named}），照录原文",
                    f"persons: {len(self._unknown)} are not known by these words ({named}); the words are kept",
                )
            )
        return self._found

    def _line(self, line: Line) -> None:
        whole = line.text("description")
        parts = several(whole)
        shared = {
            name: shared_out(line.text(name), len(parts))
            for name in ("state", "result", "department", "responsible", "place")
        }
        for n, part in enumerate(parts):
            said = {name: shared[name][n] for name in shared}
            doubts: list[Doubted] = []
            if len(parts) > 1:
                listed = "／".join(each[:20] for each in parts)
                doubts.append(self._doubt(line, "split", "description", whole, f"{len(parts)}：{listed}"))
            self._entry(line, part.replace("\n", " "), said, n + 1 if len(parts) > 1 else 0, doubts)

    def _doubt(
        self, line: Line, code: Doubt, name: str | None = None, said: str | None = None, taken: str = ""
    ) -> Doubted:
        return Doubted(code, line.sheet, line.row, name, line.text(name or "") if said is None else said, taken)

    def _entry(self, line: Line, part: str, said: Mapping[str, str], turn: int, doubts: list[Doubted]) -> None:
        original = line.text("number").replace("\n", " ")[:LONGEST_NUMBER] or None
        found_on = self._day(line, "found_on", doubts)
        if not line.text("found_on"):
            doubts.append(self._doubt(line, "date_missing"))
        place = said["place"].replace("\n", " ")
        identity = [
            original or "",
            found_on.isoformat() if found_on else bare(line.text("found_on")),
            bare(place),
            bare(part),
        ]
        if not original and not line.text("found_on"):
            identity.append(bare(line.sheet))
        key = self._key(line, identity, doubts)
        if key is None:
            return
        if len(line.rows) > 1:
            doubts.append(self._doubt(line, "several_rows", taken="、".join(map(str, line.rows))))
        if line.no_result:
            doubts.append(self._doubt(line, "no_result"))
        closed, closed_on = self._state(line, said, found_on, doubts)
        limit_on = self._limit(line, closed, doubts)
        if not place:
            doubts.append(self._doubt(line, "place_missing"))
            place = f"未写明（“{line.sheet}”第 {line.row} 行）"
        title = part if len(part) <= LONGEST_LINE else f"{part[: LONGEST_LINE - 1]}…"
        if title != part:
            doubts.append(self._doubt(line, "cut", "description"))
        number = self._number(line, original, turn, doubts)
        category = self._category(line, part, doubts)
        entry = Entry(
            sheet=line.sheet, row=line.row, key=key, content="", number=number, original=original,
            title=title, place=place[:LONGEST_LINE], details=part if title != part else None, category=category,
            level=self._level(line, doubts), department=self._department(line, said["department"], doubts),
            assignee=self._person(said["responsible"]), source=line.text("source") or None, found_on=found_on,
            limit_on=limit_on, closed=closed, closed_on=closed_on, written=line.written,
            doubts=tuple(code for code in DOUBTS if any(doubt.code == code for doubt in doubts)),
        )  # fmt: skip
        self._found.entries.append(replace(entry, content=content_of(entry.title, entry.place, entry.written)))
        # what is doubted of a row is said once, of however many hazards it is true
        self._found.doubts += [
            doubt for doubt in doubts if doubt.code not in QUIET and doubt not in self._found.doubts[-MOST_OF_A_ROW:]
        ]

    def _key(self, line: Line, identity: Sequence[str], doubts: list[Doubted]) -> str | None:
        """Which hazard it is. None where another sheet has told it already."""
        spelled = json.dumps(identity, ensure_ascii=False)
        self._times[line.sheet, spelled] += 1
        time = self._times[line.sheet, spelled]
        key = hashlib.sha256(json.dumps([*identity, time], ensure_ascii=False).encode()).hexdigest()
        if key in self._seen:
            sheet, row = self._seen[key]
            why = Text(
                f"与“{sheet}”第 {row} 行是同一项（编号、日期、部位、描述都相同），不重复导入",
                f"the same as row {row} of {sheet!r} (number, day, place and description); not imported twice",
            )
            self._found.ignored.append(Ignored(line.sheet, line.row, why, line.text("description")[:60]))
            return None
        self._seen[key] = (line.sheet, line.row)
        if time > 1:
            doubts.append(self._doubt(line, "same_again", "description"))
        return key

    # --- days and states ---

    def _day(self, line: Line, name: str, doubts: list[Doubted]) -> date | None:
        text = line.text(name)
        if not text or text in NOTHING:
            return None
        read = day_of(line.value(name), line.year)
        return self._kept(line, name, read, doubts)

    def _kept(self, line: Line, name: str, read: Read, doubts: list[Doubted]) -> date | None:
        taken = read.day.isoformat() if read.day else ""
        doubts += [self._doubt(line, code, name, taken=taken) for code in read.doubts]
        if read.day is not None and name != "limit" and read.day > self._around.today:
            doubts.append(self._doubt(line, "date_future", name))
            return None
        return read.day

    def _limit(self, line: Line, closed: bool, doubts: list[Doubted]) -> date | None:
        if line.text("limit"):
            return self._day(line, "limit", doubts)
        # 整改时间 of what is not done can only be when it has to be
        return (
            self._kept(line, "limit", day_of(line.value("fix_date"), line.year), doubts)
            if line.text("fix_date") and not closed
            else None
        )

    def _state(
        self, line: Line, said: Mapping[str, str], found_on: date | None, doubts: list[Doubted]
    ) -> tuple[bool, date | None]:
        state, by = self._said_state(line, said)
        if by is not None:
            doubts.append(self._doubt(line, *by))
        if state != "closed":
            if line.text("closer_on") and day_of(line.value("closer_on"), line.year).day is not None:
                doubts.append(self._doubt(line, "status_contradicted", "closer_on"))
            return False, None
        name = next((n for n in ("closed_on", "fix_date", "closer_on") if line.text(n) not in ("", *NOTHING)), None)
        if name is None and line.text("verified_on"):
            name = "verified_on"
        closed_on = None if name is None else self._day(line, name, doubts)
        if closed_on is not None and found_on is not None and closed_on < found_on:
            doubts.append(self._doubt(line, "date_order", name))
            closed_on = None
        if closed_on is None:
            doubts.append(self._doubt(line, "closed_undated"))
        return True, closed_on

    def _said_state(self, line: Line, said: Mapping[str, str]) -> tuple[State | None, tuple[Doubt, str | None] | None]:
        """What the ledger calls it, and what is to be doubted of that: the column of states, else what was struck off, else
        remarks, verdicts, what was done, and when.
        """
        text = said["state"]
        if text and text not in NOTHING:
            state = state_of(text)
            if state is not None:
                return state, None
            state = state_in(text)
            return (state, ("status_by_words", "state")) if state is not None else (None, ("status_unread", "state"))
        if line.text("closer_on") not in ("", *NOTHING) or line.text("closer") not in ("", *NOTHING):
            return "closed", None
        for piece in line.text("remarks").replace("；", ";").split(";"):
            if piece and (state := state_of(piece)) is not None:
                return state, ("status_by_words", "remarks") if state == "closed" else None
        if line.closings:
            done = line.text("closed_on") or line.text("verdict")
            return None, ("status_unsaid", "closed_on" if done else None)
        for name in ("verdict", "result"):
            words = said["result"] if name == "result" else line.text(name)
            if words and words not in NOTHING and (state := state_in(words)) is not None:
                return state, ("status_by_words", name) if state == "closed" else None
        if line.text("closed_on") and day_of(line.value("closed_on"), line.year).day is not None:
            return "closed", ("status_by_date", "closed_on")
        return None, ("status_unsaid", None)

    # --- what else is said ---

    def _number(self, line: Line, original: str | None, turn: int, doubts: list[Doubted]) -> str | None:
        if original is None:
            if "number" in line.said or any(key[0] == line.sheet for key in self._numbers):
                doubts.append(self._doubt(line, "number_missing"))
            return None
        place = line.sheet, original
        if self._numbers[place] > 1:
            self._numbered[place] += 1
            number = f"{original}-{self._numbered[place]}"
            doubts.append(self._doubt(line, "number_shared", "number", original, number))
            return number
        return f"{original}-{turn}" if turn else original

    def _level(self, line: Line, doubts: list[Doubted]) -> Literal["general", "major"] | None:
        text = line.text("level")
        level = level_of(text) if text and text not in NOTHING else None
        if text and text not in NOTHING and level is None:
            doubts.append(self._doubt(line, "level_unread", "level"))
        return level

    def _category(self, line: Line, part: str, doubts: list[Doubted]) -> str | None:
        text = line.text("category")
        known = category_of(text) if text else None
        if known is not None:
            return known
        likely = suggest(part)
        taken = likely[0].category if likely else ""
        if text and text not in NOTHING:
            doubts.append(self._doubt(line, "category_unread", "category", taken=taken))
        if not likely:
            self._without_category += 1
            return None
        self._suggested += 1
        doubts.append(self._doubt(line, "category_suggested", "category"))
        return likely[0].category

    def _department(self, line: Line, text: str, doubts: list[Doubted]) -> str | None:
        if not text or text in NOTHING:
            return None
        known = self._around.departments.known(text)
        if known is None:
            doubts.append(self._doubt(line, "department_unread", "department", text))
            return None
        if known.alike:
            doubts.append(self._doubt(line, "department_alike", "department", text, known.code))
        return known.code

    def _person(self, text: str) -> str | None:
        if not text or text in NOTHING:
            return None
        key = self._around.person(text)
        if key is None:
            self._unknown[text.replace("\n", " ")[:20]] += 1
        return key


def content_of(title: str, place: str, written: Mapping[str, str]) -> str:
    """A hash of whatever a ledger says of a hazard, wherever its columns stand."""
    said = [title, place, sorted(bare(text) for text in written.values())]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()
