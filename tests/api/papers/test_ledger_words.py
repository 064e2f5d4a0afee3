"""What words of a ledger mean is a table; what they do not say is not guessed."""

from datetime import date, datetime, time

import pytest

from api.papers.ledger_entries import REMEDIES
from api.papers.ledger_words import (
    Departments,
    category_of,
    day_of,
    level_of,
    several,
    shared_out,
    state_in,
    state_of,
    year_in,
)
from engine.directory import Department
from engine.errors import Text
from workflows.imported import DOUBT_WORDS, DOUBTS

THIRD = date(2019, 11, 3)


@pytest.mark.parametrize(
    "value, year, day, doubts",
    [
        ("2019.11.3", None, THIRD, ()),
        ("2019年11月3日", None, THIRD, ()),
        ("2019年11月3号", None, THIRD, ()),
        ("2019-11-03", None, THIRD, ()),
        ("2019/11/3", None, THIRD, ()),
        ("20191103", None, THIRD, ()),
        (20191103, None, THIRD, ()),
        (20191103.0, None, THIRD, ()),
        ("２０１９．１１．３", None, THIRD, ()),
        (" 2019. 11. 3 ", None, THIRD, ()),
        ("2019年11月3日（周日）", None, THIRD, ()),
        ("2019-11-03 08:30:00", None, THIRD, ()),
        ("2019年11月3日上午", None, THIRD, ()),
        (datetime.combine(THIRD, time(8, 30)), None, THIRD, ()),
        (THIRD, None, THIRD, ()),
        (43772, None, THIRD, ("date_serial",)),
        ("19.11.3", None, THIRD, ("date_year",)),
        ("11/3", 2019, THIRD, ("date_year",)),
        ("11.3", 2019, THIRD, ("date_year",)),
        ("11月3日", 2019, THIRD, ("date_year",)),
        ("11-3", 2019, THIRD, ("date_year",)),
        ("2019.11.3-11.5", None, THIRD, ("date_several",)),
        ("2019年11月3日至5日", None, THIRD, ("date_several",)),
        ("2019.11.5、2019.11.3", None, THIRD, ("date_several",)),
        # without a year above the list nobody knows which
        ("11/3", None, None, ("date_unread",)),
        # of 11.10 the spreadsheet kept 11.1; 11.12 it kept
        (11.1, 2019, None, ("date_unread",)),
        (11.12, 2019, date(2019, 11, 12), ("date_year",)),
        (11.4, 2019, date(2019, 11, 4), ("date_year",)),
        ("11月上旬", 2019, None, ("date_unread",)),
        ("2019.11", None, None, ("date_unread",)),
        ("2019.13.3", None, None, ("date_unread",)),
        ("2019.2.30", None, None, ("date_unread",)),
        ("31/12", 2019, None, ("date_unread",)),
        ("立即", 2019, None, ("date_unread",)),
        ("1899-11-03", None, None, ("date_unread",)),
        (5, 2019, None, ("date_unread",)),
        ("", None, None, ()),
        (None, 2019, None, ()),
    ],
)
def test_a_day_is_read_however_it_is_spelled(
    value: object, year: int | None, day: date | None, doubts: tuple[str, ...]
) -> None:
    read = day_of(value, year)
    assert (read.day, read.doubts) == (day, doubts)


@pytest.mark.parametrize(
    "text, year",
    [
        ("2019年度隐患台账", 2019),
        ("2019", 2019),
        ("２０１９年", 2019),
        ("2019-2020学年", None),
        ("台账", None),
        ("12019", None),
    ],
)
def test_a_title_names_a_year_or_none(text: str, year: int | None) -> None:
    assert year_in(text) == year


@pytest.mark.parametrize(
    "text, state",
    [
        ("已整改", "closed"), ("已完成", "closed"), ("整改完成", "closed"), ("已销号", "closed"), ("√", "closed"), ("是", "closed"),
        (" 已整改。", "closed"), ("已整改（2019.11.3）", "closed"), ("100%", "closed"), ("Ｙ", "closed"), ("Done", "closed"),
        ("整改中", "open"), ("未完成", "open"), ("未整改", "open"), ("否", "open"), ("×", "open"), ("50%", "open"), ("部分完成", "open"),
        ("不合格，退回整改", "open"), ("整改中（延期）", "open"),
        ("见附件", None), ("后勤", None), ("", None), ("未知", None),
    ],
)  # fmt: skip
def test_a_state_is_known_by_its_words_or_not_at_all(text: str, state: str | None) -> None:
    assert state_of(text) == state


@pytest.mark.parametrize(
    "text, state",
    [
        ("已更换插座面板", "closed"), ("灭火器已全部更换到位", "closed"), ("经维修，整改到位", "closed"), ("维修完毕", "closed"),
        ("已联系厂家，待更换", "open"), ("已更换 3 处，其余未更换", "open"), ("计划寒假整改", "open"), ("正在采购", "open"), ("无法整改", "open"),
        ("加强管理", None), ("联系厂家", None),
    ],
)  # fmt: skip
def test_one_word_of_doubt_in_a_sentence_leaves_it_open(text: str, state: str | None) -> None:
    assert state_in(text) == state


@pytest.mark.parametrize(
    "text, level",
    [
        ("一般", "general"),
        ("一般隐患", "general"),
        ("重大", "major"),
        ("重大事故隐患", "major"),
        ("Ⅲ级", None),
        ("较大", None),
        ("", None),
    ],
)
def test_a_level_is_one_of_two(text: str, level: str | None) -> None:
    assert level_of(text) == level


DEPARTMENTS = Departments(
    [
        Department("school", code, Text(zh, en))
        for code, zh, en in (
            ("HQC", "总务后勤处", "Logistics"), ("XB1", "机电工程系", "Mechanics"), ("XB2", "信息工程系", "IT"),
            ("WYGS", "物业公司（外包）", "Property contractor"), ("XGC", "学生工作处（团委）", "Student affairs"),
        )
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    "text, code, alike",
    [
        ("总务后勤处", "HQC", False), ("hqc", "HQC", False), ("Logistics", "HQC", False), ("学生工作处", "XGC", False),
        ("总务 后勤处", "HQC", False), ("后勤处", "HQC", True), ("后勤", "HQC", True), ("物业", "WYGS", True), ("机电系", "XB1", True),
        ("工程系", None, False),  # of both
        ("总务后勤处、机电工程系", None, False), ("外请施工队", None, False), ("处", None, False),
    ],
)  # fmt: skip
def test_a_department_is_known_by_its_name_or_by_the_only_one_like_it(text: str, code: str | None, alike: bool) -> None:
    known = DEPARTMENTS.known(text)
    assert (known and known.code, bool(known and known.alike)) == (code, alike)


@pytest.mark.parametrize("text, code", [("FIRE", "FIRE"), ("fire.exit", "FIRE.exit"), ("乱七八糟", None)])
def test_a_category_is_known_by_code_or_name(text: str, code: str | None) -> None:
    assert category_of(text) == code


@pytest.mark.parametrize(
    "text, parts",
    [
        ("插座松动", ["插座松动"]),
        ("1.插座松动 2.线路裸露", ["插座松动", "线路裸露"]),
        ("1、插座松动；2、线路裸露。", ["插座松动", "线路裸露"]),
        ("（1）插座松动（2）线路裸露（3）地砖翘起", ["插座松动", "线路裸露", "地砖翘起"]),
        ("①插座松动\n②线路裸露", ["插座松动", "线路裸露"]),
        ("一、插座松动 二、线路裸露", ["插座松动", "线路裸露"]),
        ("实训楼：1.插座松动 2.线路裸露", ["实训楼：插座松动", "实训楼：线路裸露"]),
        ("插座松动；线路裸露", ["插座松动", "线路裸露"]),
        ("插座松动\n线路裸露", ["插座松动", "线路裸露"]),
        # one hazard: a sentence wrapped inside its column, a number that counts nothing, a second that begins no list
        ("插座松动，\n线路裸露", ["插座松动，\n线路裸露"]),
        ("2 号楼灭火器过期", ["2 号楼灭火器过期"]),
        ("电压 1.5 V 偏低", ["电压 1.5 V 偏低"]),
        ("1.插座松动", ["1.插座松动"]),
        ("安全出口上锁（2018-2）", ["安全出口上锁（2018-2）"]),
        ("是；否", ["是；否"]),
    ],
)
def test_several_hazards_in_a_cell_are_told_apart(text: str, parts: list[str]) -> None:
    assert several(text) == parts


def test_what_is_numbered_as_the_hazards_are_is_shared_out_and_all_else_is_said_of_each() -> None:
    assert shared_out("1.已整改 2.未整改", 2) == ["已整改", "未整改"]
    assert shared_out("1.已整改 2.未整改", 3) == ["1.已整改 2.未整改"] * 3
    assert shared_out("已整改", 2) == ["已整改", "已整改"]


def test_every_doubt_has_words_and_says_what_to_do() -> None:
    assert set(DOUBT_WORDS) == set(REMEDIES) == set(DOUBTS)
    for words in (*DOUBT_WORDS.values(), *REMEDIES.values()):
        assert words.zh and words.en and words.zh != words.en
