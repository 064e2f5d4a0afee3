"""A ledger of hazards as a school keeps it: its sheets read row by row into lines, with every word kept as it stands there.

A sheet's heading is one row or two, among its top rows, with whatever cells merged; rows above it are titles. A line is a row
that describes a hazard. Every other row that says anything is named with the reason why it is none, so that no row is lost.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from api.papers.ledger_words import bare, year_in
from api.papers.workbooks import BLANK_ROWS, Layout, cells_of, layout_of, plain, read_workbook, unusable
from engine.errors import FolderError, Text

CALLED = Text("台账", "ledger")
MOST_ROWS = 50_000  # of hazards in one file; a large school finds some hundreds a year
HEADING_WITHIN = 20  # rows from the top
LONGEST_CELL = 4_000  # characters, as many as a form takes
LONGEST_HEADING = 100
LONGEST_SHEET = 100
LEAST_KNOWN = 3  # headings by which a row is known to be one
WITHIN = "："  # between a heading and the one above it
NO_RESULT = "（公式没有结果）"  # of a cell whose formula the file holds no result of
MOST_SAID = 60  # characters of a row that are told when it is named

#: field → what its column is called, the first being the word of our own form
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "number": ("编号", "序号", "隐患编号", "序", "号", "no", "number", "问题编号", "项目编号", "台账编号"),
    "source": ("来源", "检查类型", "检查形式", "检查方式", "排查方式", "隐患来源", "问题来源", "检查类别", "source"),
    "found_on": (
        "检查日期", "检查时间", "排查日期", "排查时间", "发现日期", "发现时间", "巡查时间", "巡查日期", "日期", "时间", "登记日期", "登记时间",
        "上报时间", "上报日期", "排查隐患时间", "隐患发现时间", "found on", "date",
    ),
    "inspector": ("检查人", "检查人员", "检查人签名", "检查人签字", "排查人", "排查人员", "发现人", "巡查人", "上报人", "检查者", "inspector"),
    "place": (
        "部位", "地点", "隐患部位", "隐患地点", "场所", "位置", "检查部位", "检查地点", "具体位置", "区域", "隐患位置", "排查部位", "隐患所在部位",
        "检查场所", "隐患场所", "具体地点", "存在部位", "place", "where",
    ),
    "description": (
        "隐患描述", "隐患内容", "存在问题", "存在的问题", "问题", "隐患情况", "隐患", "事故隐患", "问题描述", "安全隐患", "隐患名称", "隐患具体情况",
        "存在隐患", "存在的隐患", "主要隐患", "问题隐患", "问题及隐患", "存在的问题及隐患", "隐患及问题", "安全隐患内容", "隐患问题", "检查内容及存在问题",
        "具体问题", "隐患事项", "存在的主要问题", "隐患具体内容", "description", "hazard",
    ),
    "category": ("类别", "隐患类别", "隐患类型", "类型", "隐患分类", "分类", "问题类别", "category"),
    "level": ("等级", "级别", "隐患等级", "隐患级别", "隐患分级", "风险等级", "隐患程度", "level"),
    "photos_before": ("整改前照片", "照片", "整改前", "隐患照片", "图片", "整改前图片"),
    "department": (
        "责任部门", "整改部门", "责任单位", "整改责任部门", "整改单位", "整改责任单位", "牵头部门", "责任处室", "部门", "承办部门", "落实部门",
        "责任科室", "department",
    ),
    "responsible": ("责任人", "整改责任人", "整改人", "负责人", "整改负责人", "责任人员", "部门责任人", "责任人签字", "assignee", "responsible"),
    "measures": ("整改措施", "整改要求", "整改意见", "治理措施", "整改方案", "整改内容", "整改建议", "措施", "处理意见", "处理措施"),
    "fund": ("整改资金", "资金", "投入资金", "经费", "整改经费", "治理资金", "所需资金", "资金投入"),
    "limit": (
        "整改时限", "整改期限", "完成时限", "期限", "限期", "时限", "要求完成时间", "整改完成时限", "计划完成时间", "限期整改时间", "应完成时间",
        "整改限期", "规定整改时间", "拟完成时间", "limit", "due",
    ),
    "first_limit": ("原定时限",),
    "extended": ("延期次数",),
    "interim": ("防范措施", "临时措施", "应急措施", "防控措施", "管控措施", "监控措施"),
    "result": ("整改情况", "整改结果", "落实情况", "整改进展", "整改落实情况", "处理情况", "处理结果", "进展情况", "整改完成情况"),
    "state": (
        "状态", "是否整改", "整改状态", "是否完成", "完成情况", "销号情况", "是否销号", "是否完成整改", "是否已整改", "是否整改到位", "是否闭环",
        "隐患状态", "当前状态", "是否按期整改", "state", "status",
    ),
    "fix_date": ("整改时间", "整改日期", "处理时间", "处理日期"),
    "closed_on": ("完成日期", "完成时间", "整改完成日期", "整改完成时间", "实际完成时间", "实际完成日期", "完成整改时间", "完成整改日期"),
    "photos_after": ("整改后照片", "整改后", "整改后图片"),
    "verifier": ("复查人", "验收人", "复查人员", "验收人员", "复查人签字", "复核人", "核查人"),
    "verified_on": ("复查日期", "验收日期", "复查时间", "验收时间", "核查时间"),
    "verdict": ("复查结论", "验收结论", "复查情况", "验收意见", "复查结果", "验收情况", "复查意见", "验收结果"),
    "closer": ("销号人", "销号审批人", "销号负责人"),
    "closer_on": ("销号日期", "销号时间"),
    "remarks": ("备注", "说明", "其他", "remarks", "note"),
}  # fmt: skip
TITLES: Mapping[str, Text] = {
    "number": Text("编号", "number"), "found_on": Text("检查日期", "found on"), "place": Text("部位", "place"),
    "description": Text("隐患描述", "description"), "category": Text("类别", "category"), "level": Text("等级", "level"),
    "department": Text("责任部门", "department"), "responsible": Text("责任人", "person responsible"),
    "limit": Text("整改时限", "limit"), "state": Text("状态", "state"), "result": Text("整改情况", "what was done"),
    "fix_date": Text("整改时间", "fixed on"), "closed_on": Text("完成日期", "done on"), "closer_on": Text("销号日期", "closed on"),
    "verdict": Text("复查结论", "verdict"), "remarks": Text("备注", "remarks"), "source": Text("来源", "source"),
}  # fmt: skip

#: what a heading above others says of them, and the field that a plain word below it then means
GROUPS: Mapping[str, re.Pattern[str]] = {
    "closing": re.compile("销号|闭环"),
    "verifying": re.compile("复查|验收|核查|复核"),
    "fixing": re.compile("整改|治理|落实|处理"),
    "finding": re.compile("检查|排查|发现|巡查|隐患|问题|基本"),
}
BELOW: Mapping[str, Mapping[str, str]] = {
    "finding": {"日期": "found_on", "时间": "found_on", "人": "inspector", "人员": "inspector", "内容": "description", "描述": "description",
                "情况": "description", "具体内容": "description", "部门": "department", "照片": "photos_before", "签名": "inspector"},
    "fixing": {"日期": "fix_date", "时间": "fix_date", "人": "responsible", "人员": "responsible", "情况": "result", "结果": "result",
               "部门": "department", "单位": "department", "是否完成": "state", "照片": "photos_after", "内容": "measures"},
    "verifying": {"日期": "verified_on", "时间": "verified_on", "人": "verifier", "人员": "verifier", "情况": "verdict", "结果": "verdict",
                  "结论": "verdict", "意见": "verdict", "签名": "verifier", "签字": "verifier"},
    "closing": {"日期": "closer_on", "时间": "closer_on", "人": "closer", "人员": "closer", "情况": "state", "签名": "closer", "签字": "closer"},
}  # fmt: skip

_PUNCTUATION = re.compile(r"[\s*:：、/／,，.。()（）]+")
_REMARK = re.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]")
_TOTAL = re.compile(r"(?:合计|总计|共计|小计|累计|汇总|本页|本月|本年)[^，。；]{0,20}")
_FOOTER = re.compile(
    r"(?:合计|总计|共计|小计|累计|汇总|统计|本页|备注|注|说明|填表人|制表人|制表|填报人|填报单位|填报时间|审核人?|审批|负责人|主管|校长|签字|盖章|填表说明|"
    r"填表|单位负责人|安全负责人|分管领导|联系人|第.{0,4}页|以上|日期)[\s：:（(共为]|(?:合计|总计|共计|小计|累计|汇总|备注|说明)$"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """`value` as the workbook has it, `text` without what cannot be seen; `merged`: it reaches over other rows as well."""

    value: Any
    text: str
    heading: str
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A row that describes a hazard.

    said       field → cell
    written    heading → every word of the row, also of columns we do not know
    year       the year that stands above the list, for days without one
    closings   whether the sheet has a column that tells what was struck off
    """

    sheet: str
    row: int
    said: Mapping[str, Cell]
    written: Mapping[str, str]
    year: int | None
    closings: bool
    no_result: bool = False
    rows: tuple[int, ...] = ()

    def text(self, name: str) -> str:
        return self.said[name].text if name in self.said else ""

    def value(self, name: str) -> Any:
        return self.said[name].value if name in self.said else None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A row that says something and is no hazard. `row` 0 means the whole sheet."""

    sheet: str
    row: int
    why: Text
    said: str = ""
    rows: int = 1


@dataclass
class LedgerList:
    """What was read. `rows`: how many rows said anything below the headings: each is a line, part of one, or ignored. `headed`: whether any
    sheet has headings.
    """

    lines: list[Line] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    notices: list[Text] = field(default_factory=list)
    rows: int = 0
    headed: bool = False


def read_ledger(path: Path) -> LedgerList:
    """Read a ledger. Raises FolderError for a file that is none."""
    return read_workbook(path, CALLED, partial(_read_book, path))


def _read_book(path: Path, values: Any, formulas: Any) -> LedgerList:
    found = LedgerList()
    whole_year = year_in(path.stem)
    for sheet in values.worksheets:
        name = plain(sheet.title)[:LONGEST_SHEET] or "?"
        if sheet.sheet_state != "visible":
            found.notices.append(
                Text(f"工作表“{name}”是隐藏的，未读取", f"the sheet {name!r} is hidden and was not read")
            )
            continue
        layout = layout_of(path, sheet)
        heading = _heading(list(_first(sheet)), layout)
        if heading is None:
            if (rows := sum(any(plain(cell.value) for cell in cells) for cells in cells_of(sheet))) > 0:
                found.rows += rows
                why = Text(
                    f"没有找到标题行（至少要有“隐患描述”一类的列和另外两列），整个工作表的 {rows} 行未读取",
                    f"no heading row was found (it needs one like 隐患描述 and two more); none of its {rows} rows was read",
                )
                found.ignored.append(Ignored(name, 0, why, rows=rows))
            continue
        found.headed = True
        _read_sheet(path, name, sheet, formulas[sheet.title], heading, layout, found, whole_year)
    if not found.lines:
        raise _nothing(path, found)
    return found


def _nothing(path: Path, found: LedgerList) -> FolderError:
    if not found.headed:
        return unusable(
            path, CALLED,
            Text("没有找到标题行（至少要有“隐患描述”一类的列和另外两列）", "no heading row was found (it needs one like 隐患描述 and two more)"),
            Text("请核对列名；可参照 bihuan export ledger 导出的台账", "Check the names of its columns; `bihuan export ledger` writes a ledger to compare with"),
        )  # fmt: skip
    return unusable(
        path, CALLED, Text("标题行下面没有隐患", "no hazard stands below the heading"),
        Text("请每项隐患填写一行", "Write one hazard a row"),
    )  # fmt: skip


# --- headings ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heading:
    """`last`: the row below which the list begins; `columns`: where each known field stands; `names`: all headings by place."""

    last: int
    columns: Mapping[str, int]
    names: Mapping[int, str]
    title: str


def _first(sheet: Any) -> Iterator[list[str]]:
    for number, cells in enumerate(cells_of(sheet), start=1):
        if number > HEADING_WITHIN + 1:
            return
        yield [plain(cell.value, "") for cell in cells]


def _heading(rows: Sequence[list[str]], layout: Layout) -> Heading | None:
    """The first row, or pair of rows, that names what a hazard is and two columns more; the one that names most, of a pair."""
    filled = [list(row) for row in rows]
    for one in layout.merged:
        if one.top <= len(rows) and one.left < len(rows[one.top - 1]):
            said = rows[one.top - 1][one.left]
            for number in range(one.top, min(one.bottom, len(rows)) + 1):
                line = filled[number - 1]
                line += [""] * (one.right + 1 - len(line))
                line[one.left : one.right + 1] = [said] * (one.right + 1 - one.left)
    for at, row in enumerate(filled[:HEADING_WITHIN]):
        single = {place: said for place, said in enumerate(row) if said}
        columns = _columns({place: ("", said) for place, said in single.items()})
        best = Heading(at + 1, columns, single, "")
        if at + 1 < len(filled):
            pairs = _paired(row, filled[at + 1])
            double = _columns(pairs)
            alone = _columns({place: ("", said) for place, said in enumerate(filled[at + 1]) if said})
            # what is a heading by itself has a title above it, and no heading
            if len(double) > max(len(columns), len(alone)) and _is_heading(filled[at + 1], row):
                names = {
                    place: upper if upper == lower or not lower else f"{upper}{WITHIN}{lower}"
                    for place, (upper, lower) in pairs.items()
                }
                best = Heading(at + 2, double, names, "")
        if "description" in best.columns and len(best.columns) >= LEAST_KNOWN:
            title = " ".join(dict.fromkeys(said for above in rows[:at] for said in above if said))
            return Heading(best.last, best.columns, best.names, title)
    return None


def _paired(upper: list[str], lower: list[str]) -> dict[int, tuple[str, str]]:
    """What stands above each column, and in it. A group's name that was not merged over its columns reaches to the next."""
    found, group = {}, ""
    for place in range(max(len(upper), len(lower))):
        above = upper[place] if place < len(upper) else ""
        below = lower[place] if place < len(lower) else ""
        group = above or (group if below else "")
        if group or below:
            found[place] = (group, below)
    return found


def _is_heading(row: list[str], upper: list[str]) -> bool:
    """Whether it is a second row of a heading, and not the first hazard."""
    own = [said for place, said in enumerate(row) if said and (place >= len(upper) or said != upper[place])]
    return bool(own) and all(len(said) <= 12 and not re.fullmatch(r"[\d.\-/年月日]+", said) for said in own)


def _columns(headings: Mapping[int, tuple[str, str]]) -> dict[str, int]:
    """Field → its column; of several for one field, the first."""
    found: dict[str, int] = {}
    for place, (upper, lower) in headings.items():
        name = field_of(lower, upper)
        if name is not None:
            found.setdefault(name, place)
    return found


def field_of(heading: str, group: str = "") -> str | None:
    """Which field a heading means, under the heading above it, if there is one."""
    if not heading or heading == group:
        return _plain_field(group) if group else None
    if group:
        whole = _plain_field(group + heading)
        if whole is not None:
            return whole
        for name, pattern in GROUPS.items():
            if pattern.search(group):
                word = _PUNCTUATION.sub("", _REMARK.sub("", heading))
                if word in BELOW[name]:
                    return BELOW[name][word]
                break
    return _plain_field(heading)


def field_of_written(heading: str) -> str | None:
    """As `field_of`, of a heading as it is kept: behind the one above it, where it has one."""
    group, within, lower = heading.partition(WITHIN)
    return field_of(lower, group) if within and lower else field_of(heading)


def _plain_field(heading: str) -> str | None:
    for said in (heading, _REMARK.sub("", heading)):
        word = _PUNCTUATION.sub("", bare(said)).casefold()
        if word in _WORDS:
            return _WORDS[word]
    return None


_WORDS = {_PUNCTUATION.sub("", word).casefold(): name for name, words in COLUMNS.items() for word in words}


# --- rows ----------------------------------------------------------------------------------------------------------------


def _read_sheet(
    path: Path, name: str, sheet: Any, formulas: Any, heading: Heading, layout: Layout, found: LedgerList, year: int | None
) -> None:  # fmt: skip
    year = year_in(name) or year_in(heading.title) or year
    below = _Below(layout, heading.last)
    closings = bool({"closer", "closer_on"} & heading.columns.keys())
    blank, hidden, section = 0, 0, ""
    firsts: dict[int, int] = {}  # top of a description that reaches over several rows → its place among the lines
    for number, (cells, written) in enumerate(zip(cells_of(sheet), cells_of(formulas), strict=True), start=1):
        if number <= heading.last:
            continue
        own = [_text(cell, source) for cell, source in zip(cells, written, strict=True)]
        if not any(own):
            blank += 1
            if blank > BLANK_ROWS:
                found.notices.append(
                    Text(
                        f"工作表“{name}”第 {number - blank} 行以后连续 {BLANK_ROWS} 行空白，此后未再读取",
                        f"{BLANK_ROWS} rows of {name!r} after row {number - blank} are blank; nothing was read beyond",
                    )
                )
                return
            below.see(number, cells, own)
            continue
        blank = 0
        found.rows += 1
        hidden += number in layout.hidden
        shown = below.see(number, cells, own)
        why, banner = _no_hazard(own, shown, heading, below.width(number))
        if why is not None:
            section = banner or section
            found.ignored.append(Ignored(name, number, why, " ".join(said for said in own if said)[:MOST_SAID]))
            continue
        top = below.top(number, heading.columns["description"])
        if top is not None and top in firsts:
            _goes_on(found, firsts[top], name, number, own, heading)
            continue
        if top is not None:
            firsts[top] = len(found.lines)
        found.lines.append(_line(name, number, shown, heading, year, closings, section))
        if len(found.lines) > MOST_ROWS:
            raise unusable(
                path, CALLED, Text(f"超过 {MOST_ROWS} 行", f"it has more than {MOST_ROWS} rows"),
                Text("请分成几个文件导入", "Split it into several files"),
            )  # fmt: skip
    if hidden:
        found.notices.append(
            Text(
                f"工作表“{name}”有 {hidden} 行被隐藏或筛去，同样读取",
                f"{hidden} rows of {name!r} are hidden or filtered away, and were read as well",
            )
        )


def _text(cell: Any, written: Any) -> str:
    if getattr(cell, "data_type", None) == "e":
        return NO_RESULT
    if cell.value is None:
        return NO_RESULT if getattr(written, "data_type", None) == "f" else ""
    if isinstance(cell.value, date):  # as an instant is, too
        return f"{cell.value:%Y-%m-%d}"
    return plain(cell.value, "\n")[:LONGEST_CELL]


class _Below:
    """What cells below a merged one show: the same as it."""

    def __init__(self, layout: Layout, heading: int) -> None:
        self._starts: dict[int, list[Any]] = {}
        self._wide: dict[int, int] = {}
        for one in layout.merged:
            if one.top > heading:
                self._wide[one.top] = max(self._wide.get(one.top, 0), one.right - one.left + 1)
                if one.bottom > one.top:
                    self._starts.setdefault(one.top, []).append(one)
        self._reaching: dict[int, tuple[Any, Any, str]] = {}  # column → the merged cell, its cell, its text

    def width(self, number: int) -> int:
        """How many columns the widest cell of a row reaches over."""
        return self._wide.get(number, 1)

    def top(self, number: int, column: int) -> int | None:
        """The first row of the merged cell that this one is part of."""
        reaching = self._reaching.get(column)
        return None if reaching is None or reaching[0].bottom < number else int(reaching[0].top)

    def see(self, number: int, cells: Sequence[Any], own: Sequence[str]) -> dict[int, tuple[Any, str, bool]]:
        """Column → value, text and whether it reaches over other rows, of this row and of what reaches into it."""
        for one in self._starts.get(number, ()):
            if one.left < len(cells):
                for column in range(one.left, one.right + 1):
                    if column == one.left:
                        self._reaching[column] = (one, cells[one.left].value, own[one.left])
        shown = {
            column: (value, text, True)
            for column, (one, value, text) in self._reaching.items()
            if one.top <= number <= one.bottom and text
        }
        for column, text in enumerate(own):
            if text and column not in shown:
                shown[column] = (cells[column].value, text, False)
        return shown


def _no_hazard(
    own: Sequence[str], shown: Mapping[int, tuple[Any, str, bool]], heading: Heading, width: int
) -> tuple[Text | None, str]:
    """Why a row is no hazard; and what it says of those below it, if it stands above them."""
    said = [(place, text) for place, text in enumerate(own) if text]
    again = sum(field_of(text) is not None and heading.names.get(place, "").endswith(text) for place, text in said)
    if again >= LEAST_KNOWN:
        return Text("又一次标题行", "the heading again"), ""
    first = said[0][1]
    if _TOTAL.fullmatch(first) and len(first) <= 24:
        return Text("合计行", "a total"), ""
    at = heading.columns["description"]
    if at in shown and shown[at][1] == NO_RESULT:
        return Text(
            "隐患描述是公式，没有计算结果；请在 Excel 或 WPS 中保存一次后再导入",
            "its description is a formula without a result; save the file once in a spreadsheet program",
        ), ""
    if at in shown and not (len(said) == 1 and width > 2):
        return None, ""
    if _FOOTER.match(first):
        return Text("表尾的落款或说明", "a signature or a note below the list"), ""
    if len(said) == 1:
        return Text("小标题行，已记入其后各行的原文", "a heading of its own; kept with the rows that follow it"), first
    return Text(
        "没有隐患描述，不能导入；确有隐患的，请补上描述后再导入",
        "it describes no hazard; if there is one, describe it and import again",
    ), ""


def _line(
    sheet: str, number: int, shown: Mapping[int, tuple[Any, str, bool]], heading: Heading, year: int | None, closings: bool,
    section: str,
) -> Line:  # fmt: skip
    said = {
        name: Cell(*shown[place][:2], heading.names.get(place, ""), shown[place][2])
        for name, place in heading.columns.items()
        if place in shown and shown[place][1] != NO_RESULT
    }
    words: dict[str, str] = {}
    for place in sorted(shown):
        title = (heading.names.get(place) or f"第 {place + 1} 列")[:LONGEST_HEADING]
        while title in words:
            title = f"{title[: LONGEST_HEADING - 1]}'"
        words[title] = shown[place][1]
    if section:
        words.setdefault("小标题", section)
    no_result = any(place in shown and shown[place][1] == NO_RESULT for place in heading.columns.values())
    return Line(sheet, number, said, words, year, closings, no_result, (number,))


def _goes_on(found: LedgerList, at: int, sheet: str, number: int, own: Sequence[str], heading: Heading) -> None:
    """A further row of a hazard whose description reaches over several: its words are kept with the first."""
    first = found.lines[at]
    words = dict(first.written)
    for place, text in enumerate(own):
        if text:
            title = f"{heading.names.get(place) or f'第 {place + 1} 列'}（第 {number} 行）"[:LONGEST_HEADING]
            words[title] = text
    found.lines[at] = Line(
        first.sheet, first.row, first.said, words, first.year, first.closings, first.no_result, (*first.rows, number)
    )
    why = Text(
        f"与第 {first.row} 行是同一项（隐患描述是合并的单元格），文字并入该项",
        f"part of row {first.row}, whose description reaches over it; its words are kept there",
    )
    found.ignored.append(Ignored(sheet, number, why, " ".join(said for said in own if said)[:MOST_SAID]))
