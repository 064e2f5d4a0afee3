"""What is kept of a line of an older ledger: the number and the days it gives, every word as it stood there, and each doubt.

Nothing of it was seen to happen by this program. It is a claim, and shown as one.
"""

import unicodedata
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from engine.definition import Day, asks
from engine.definition.forms import TURNING, Line, said
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.roles import SAFETY_OFFICE

UNWITNESSED = Text("补录（非系统见证）", "imported, not witnessed")

Doubt = Literal[
    "date_unread", "date_missing", "date_year", "date_serial", "date_several", "date_future", "date_order", "number_missing",
    "number_shared", "place_missing", "status_unread", "status_unsaid", "status_by_words", "status_by_date",
    "status_contradicted", "closed_undated", "level_unread", "category_unread", "category_suggested", "department_unread",
    "department_alike", "split", "several_rows", "same_again", "cut", "no_result",
]  # fmt: skip
DOUBTS: tuple[Doubt, ...] = get_args(Doubt)

#: what each doubt says of the case, for whoever reads it years later
DOUBT_WORDS: Mapping[str, Text] = {
    "date_unread": Text("有日期没有看懂，只照录原文", "a date could not be read; its words are kept"),
    "date_missing": Text("原表没有写检查日期", "the ledger gives no day on which it was found"),
    "date_year": Text(
        "日期没有写全年份，已按标题、工作表名或两位数的年份补全",
        "a date lacks its year or its century, which was taken from a title or added",
    ),
    "date_serial": Text("日期由表格序号换算", "a date was a spreadsheet's number"),
    "date_several": Text("写了几个日期，取最早的一个", "several dates were given; the earliest was taken"),
    "date_future": Text("有日期晚于导入当天，未采用", "a date lies after the day of the import, and was not taken"),
    "date_order": Text(
        "完成日期早于检查日期，未采用", "it was done before it was found, by its dates; that was not taken"
    ),
    "number_missing": Text("原表没有编号", "the ledger gives it no number"),
    "number_shared": Text("几项共用一个编号，已加后缀", "several share a number; a suffix tells them apart"),
    "place_missing": Text("原表没有写部位", "the ledger does not say where"),
    "status_unread": Text("状态没有看懂，按未整改办理", "its state could not be read; it is taken as open"),
    "status_unsaid": Text("没有写明是否整改，按未整改办理", "nothing says whether it was fixed; it is taken as open"),
    "status_by_words": Text(
        "“已整改”由整改情况或备注的文字得出", "that it was fixed follows from what was written about it"
    ),
    "status_by_date": Text("“已整改”由完成日期得出", "that it was fixed follows from a date of completion"),
    "status_contradicted": Text(
        "状态与日期相互矛盾，按未整改办理", "its state and its dates disagree; it is taken as open"
    ),
    "closed_undated": Text("已整改，没有写哪一天", "it was fixed; the ledger does not say when"),
    "level_unread": Text("等级没有看懂", "its level could not be read"),
    "category_unread": Text("类别没有看懂", "its category could not be read"),
    "category_suggested": Text("类别为系统按描述建议", "its category was suggested by its words"),
    "department_unread": Text("责任部门没有看懂", "the department that answers for it could not be read"),
    "department_alike": Text("责任部门按相近名称认定", "the department was known by a name like its own"),
    "split": Text("由一行中的几项拆分而来", "one row held several, and was split"),
    "several_rows": Text("由原表几行合并而来", "it stood in several rows"),
    "same_again": Text("与另一行内容相同", "another row says the same"),
    "cut": Text("描述过长，全文见补充说明", "its description was too long for a title; the whole is kept"),
    "no_result": Text("有公式没有计算结果", "a formula had no result"),
}


def _without_controls(words: dict[str, str]) -> dict[str, str]:
    """Refuses what nobody sees and a database may not keep. A blank that is drawn as nothing may stay: it stood there."""
    for letter in chain(*words, *words.values()):
        if letter in TURNING or (unicodedata.category(letter) == "Cc" and letter not in "\n\r\t"):
            raise said(
                Text("含有控制字符或改变书写方向的字符", "holds control characters or such as turn the text around")
            )
    return words


#: heading → what stood beneath it, word for word
Written = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=100)], Annotated[str, Field(max_length=4000)]],
    Field(max_length=100),
    AfterValidator(_without_controls),
]


class Imported(BaseModel):
    """`key` says which line it is, so that the same ledger taken over twice makes no second case; `row` as Excel numbers it."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = asks("行标识", "Line", typed=False)
    number: Annotated[Line, Field(max_length=100)] | None = asks("原编号", "Number there", default=None)
    sheet: Annotated[Line, Field(max_length=100)] = asks("原工作表", "Sheet")
    row: Annotated[int, Field(ge=1, le=2_000_000)] = asks("原行号", "Row")
    found_on: Day | None = asks("原检查日期", "Found on, it says", default=None)
    limit_on: Day | None = asks("原整改时限", "Limit, it says", default=None)
    closed: StrictBool = asks("原表称已整改", "Fixed, it says", default=False)
    closed_on: Day | None = asks("原完成日期", "Fixed on, it says", default=None)
    level: Literal["general", "major"] | None = asks("原等级", "Level, it says", default=None)
    written: Written = asks("原表文字", "Words there", default_factory=dict)
    doubts: Annotated[list[Doubt], Field(max_length=len(DOUBTS))] = asks("导入时的疑点", "Doubts", default_factory=list)


@guard(
    "imported.by_the_safety_office",
    obstacle=Text(
        "原有台账只能由安稳办导入", "only the safety office takes an older ledger over"
    ),
    remedy=Text("请交安稳办导入，或按新发现的隐患上报", "Leave it to the safety office, or report it as newly found"),
    reads_form=True,
    roles=SAFETY_OFFICE,
)  # fmt: skip
def by_the_safety_office(s: Situation) -> bool:
    return s.data.get("imported") is None or s.actor.holds_any(SAFETY_OFFICE)


@guard(
    "imported.source_is_so",
    obstacle=Text(
        "来源“原有台账”只用于导入的事项", "*an older ledger* as the source belongs to what was taken over from one"
    ),
    remedy=Text("请改选来源", "Choose another source"),
    reads_form=True,
)
def source_is_so(s: Situation) -> bool:
    return bool(s.data["source"] == "older_ledger") == (s.data.get("imported") is not None)
