"""Ledgers as untidy as schools keep them, drawn from a seed: what stands in each row is known, however it is spelled.

Titles above, headings of one row or two, cells merged over rows and columns, days in a dozen spellings, states in two dozen,
several hazards in a cell, totals and signatures between and below. All people are posts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any, Literal

import xlsxwriter

Way = Literal["plain", "grouped", "exported"]

PLACES = (
    "教学楼三楼走廊",
    "实训楼二层配电间",
    "食堂后厨",
    "男生宿舍 2 号楼",
    "图书馆一楼",
    "体育馆更衣室",
    "校门东侧",
    "化学实验室",
    "车棚",
    "锅炉房",
)
DEFECTS = (
    "插座面板破损", "灭火器压力不足", "疏散指示灯不亮", "安全出口上锁", "配电箱未上锁、箱内有杂物", "应急照明损坏", "消火栓箱内无水带", "护栏松动",
    "地砖翘起", "燃气软管老化", "危化品未分类存放", "窗户玻璃开裂", "监控探头故障", "电动车违规充电", "天花板渗水", "食品留样记录不全",
)  # fmt: skip
CLOSED = (
    "已整改",
    "已完成",
    "整改完成",
    "已销号",
    "√",
    "是",
    "已闭环",
    "整改完毕",
    "已整改 ",
    "已整改（12月）",
    "100%",
    "完成",
)
OPEN = ("未整改", "整改中", "未完成", "正在整改", "待整改", "否", "×", "限期整改", "部分完成", "50%")
UNREADABLE_STATES = ("见附件", "？", "后勤跟进", "同上")
UNREADABLE_DAYS = ("11月上旬", "寒假前", "2019年冬", "立冬后", "2019-13-40")
DEPARTMENTS = (("总务后勤处", True), ("HQC", True), ("后勤处", True), ("机电工程系", True), ("信息工程系", True), ("物业", False), ("外请施工队", False))  # fmt: skip
POSTS = ("水电维修工", "部门安全员", "值班教师", "食堂管理员")


@dataclass(frozen=True)
class Truth:
    """A hazard as the row means it. `found_on`, `closed_on`: None where nobody could say."""

    place: str
    description: str
    found_on: date | None
    closed: bool
    closed_on: date | None


@dataclass
class Untidy:
    """rows   how many rows say anything below the headings
    truths   the hazards that are in them
    """

    path: Path
    rows: int = 0
    truths: list[Truth] = field(default_factory=list)


def spelled(random: Random, day: date, year_above: bool) -> Any:
    """A day as somebody types it, or as a spreadsheet keeps it."""
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    ways: list[Callable[[], Any]] = [
        lambda: f"{day.year}.{day.month}.{day.day}",
        lambda: f"{day.year}年{day.month}月{day.day}日",
        lambda: f"{day:%Y%m%d}",
        lambda: int(f"{day:%Y%m%d}"),
        lambda: f"{day.year}/{day.month}/{day.day}",
        lambda: f" {day:%Y-%m-%d} ",
        lambda: f"{day:%Y-%m-%d} 08:30:00",
        lambda: f"{day.year}年{day.month}月{day.day}日（周五）",
        lambda: f"{day.year}. {day.month}. {day.day}",
        lambda: f"{day:%Y-%m-%d}".translate(wide),
        lambda: datetime.combine(day, time()),
        lambda: day.toordinal() - date(1899, 12, 30).toordinal(),
        lambda: f"{day.year % 100}.{day.month}.{day.day}",
    ]
    if year_above:
        ways += [
            lambda: f"{day.month}/{day.day}",
            lambda: f"{day.month}月{day.day}日",
            lambda: f"{day.month}.{day.day}",
        ]
    return random.choice(ways)()


HEADINGS: dict[Way, Sequence[Sequence[str]]] = {
    "plain": [["序号", "排查时间", "隐患部位", "存在的问题", "隐患等级", "责任部门", "责任人", "整改期限", "是否整改", "完成时间", "备注"]],
    "grouped": [
        ["序号", "检查情况", "", "", "隐患级别", "责任单位", "整改情况", "", "", "", "备注"],
        ["", "日期", "部位", "存在问题", "", "", "责任人", "时限", "是否完成", "完成日期", ""],
    ],
}  # fmt: skip
COLUMNS = 11


def an_untidy_ledger(path: Path, seed: int, hazards: int, today: date = date(2020, 3, 2)) -> Untidy:
    """A workbook of at least so many hazards, over sheets of two years."""
    random, made = Random(seed), Untidy(path)
    with xlsxwriter.Workbook(path) as book:
        formats = {"day": book.add_format({"num_format": "yyyy/m/d"}), "": book.add_format()}
        for n, (name, year) in enumerate((("2018年台账", 2018), ("2019年", 2019))):
            way: Way = random.choice(("plain", "grouped"))
            _sheet(book, name, way, year, random, made, hazards * (n + 1) // 2, formats, today)
        book.add_worksheet("填表说明").write_string(0, 0, "请如实填写")
        made.rows += 1  # of a sheet that is none
    return made


def _sheet(
    book: Any, name: str, way: Way, year: int, random: Random, made: Untidy, until: int, formats: Any, today: date
) -> None:  # fmt: skip
    sheet = book.add_worksheet(name)
    headings = HEADINGS[way]
    sheet.merge_range(0, 0, 0, COLUMNS - 1, f"{year}年度安全隐患排查整改台账")
    top = random.choice((1, 2))
    if top == 2:
        sheet.write_string(1, 0, "填报单位：示范学校")
    for n, heading in enumerate(headings):
        for column, word in enumerate(heading):
            if word:
                sheet.write_string(top + n, column, word)
    if way == "grouped":
        sheet.merge_range(top, 1, top, 3, "检查情况")
        sheet.merge_range(top, 6, top, 9, "整改情况")
        for column in (0, 4, 5, 10):
            sheet.merge_range(top, column, top + 1, column, headings[0][column])
    row, number = top + len(headings), 0
    while len(made.truths) < until:
        chance = random.random()
        if chance < 0.02:
            sheet.write_string(row, 0, random.choice(("小计", "合计：12项")))
            sheet.write_number(row, 3, 12)
            made.rows += 1
        elif chance < 0.03:
            sheet.merge_range(row, 0, row, COLUMNS - 1, random.choice(("一、教学区", "二、生活区")))
            made.rows += 1
        elif chance < 0.04:
            for column, word in enumerate(headings[-1] if way == "plain" else headings[0]):
                if word:
                    sheet.write_string(row, column, word)
            made.rows += 1
        elif chance < 0.06:
            pass  # a blank row
        else:
            together = random.choice((1, 1, 1, 1, 2, 3)) if len(made.truths) + 3 < until else 1
            number = _hazards(sheet, row, number, together, year, random, made, formats, today)
            row += together - 1
        row += 1
    sheet.write_string(row + 1, 0, "填表人：安全员")
    sheet.write_string(row + 1, 5, "审核人：安稳办主任")
    made.rows += 1


def _hazards(
    sheet: Any, row: int, number: int, together: int, year: int, random: Random, made: Untidy, formats: Any, today: date
) -> int:  # fmt: skip
    """One or more rows at one place, whose cells are merged."""
    place = random.choice(PLACES)
    if together > 1:
        sheet.merge_range(row, 2, row + together - 1, 2, place)
    for turn in range(together):
        at, number = row + turn, number + 1
        if turn == 0 and together == 1:
            sheet.write_string(at, 2, f"{place} ")
        day = date(year, 1, 1) + timedelta(days=random.randrange(330))
        sheet.write(at, 0, random.choice((number, f"{number}", f"安字{number:03}")))
        readable = random.random() > 0.04
        found = spelled(random, day, year_above=True) if readable else random.choice(UNREADABLE_DAYS)
        _write(sheet, at, 1, found, formats)
        # the number makes each the only one of its kind
        described = [
            f"{random.choice(DEFECTS)}（{year}-{len(made.truths) + n}）"
            for n in range(random.choice((1, 1, 1, 1, 2, 3)))
        ]
        between = random.choice(("numbered", "；", "\n"))
        if between == "numbered":
            mark = random.choice(("{}.", "{}、", "（{}）"))
            text = (
                " ".join(f"{mark.format(n)}{one}" for n, one in enumerate(described, start=1))
                if len(described) > 1
                else described[0]
            )
        else:
            text = between.join(described)
        sheet.write_string(at, 3, text)
        sheet.write_string(at, 4, random.choice(("一般", "一般隐患", "重大", "", "Ⅲ级")))
        sheet.write_string(at, 5, random.choice(DEPARTMENTS)[0])
        sheet.write_string(at, 6, random.choice(POSTS))
        closed = random.random() < 0.8
        done = min(day + timedelta(days=random.randrange(1, 60)), today)
        _write(sheet, at, 7, spelled(random, done, year_above=False), formats)
        closed_on: date | None = None
        if random.random() < 0.05:
            closed, state = False, random.choice(UNREADABLE_STATES)
        else:
            state = random.choice(CLOSED if closed else OPEN)
        if state:
            sheet.write_string(at, 8, state)
        if closed and random.random() < 0.9:
            _write(sheet, at, 9, spelled(random, done, year_above=False), formats)
            closed_on = done
        if random.random() < 0.1:
            sheet.write_string(at, 10, "已通知到人")
        made.rows += 1
        made.truths += [Truth(place, one, day if readable else None, closed, closed_on) for one in described]
    return number


def _write(sheet: Any, row: int, column: int, value: Any, formats: Any) -> None:
    if isinstance(value, datetime):
        sheet.write_datetime(row, column, value, formats["day"])
    else:
        sheet.write(row, column, value)
