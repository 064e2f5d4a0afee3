"""Papers over many hazards: the three lists 三张清单, and the ledger 台账 as offices keep it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from api.papers.ledger import OTHERWISE, WIDTHS, Told, row_of
from api.papers.paper import short
from engine.errors import Text
from workflows.reference import forms

Form = Literal["docx", "xlsx", "html"]


@dataclass(frozen=True)
class ListKind:
    """A paper with a row for each case that a filter finds.

    groups   a heading above some columns; "" above columns that stand by themselves
    row      what stands in the columns of a case
    widths   column → how many characters it asks for; a Chinese one takes two
    forms    as what it can be had: a sheet wider than any page is a workbook only
    """

    code: str
    workflow: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    row: Callable[[Told, int], tuple[str, ...]]
    widths: Mapping[str, int]
    forms: tuple[Form, ...] = ("docx", "xlsx", "html")

    @property
    def title(self) -> Text:
        return forms()[self.code].title

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for _, columns in self.groups for column in columns)


def _inside(heading: str) -> tuple[str, tuple[str, ...]]:
    """`问题清单（问题/部位）` is a heading above two columns."""
    return short(heading), tuple(heading.partition("（")[2].rstrip("）").split("/"))


def _three_lists(told: Told, at: int) -> tuple[str, ...]:
    cells = row_of(told)
    leading = told.last("supervise", "approve_plan")  # the leader who took it upon himself; nobody did of most
    progress = told.workflow.state(told.case.state).title.zh + ("（已逾期）" if told.case.overdue(told.now) else "")
    cleared = "\n".join(part for part in (cells["销号人"], cells["销号日期"]) if part)
    return (
        str(at), told.case.number, cells["隐患描述"], cells["部位"], cells["类别"], cells["等级"], told.by(leading),
        cells["责任部门"], cells["责任人"], cells["整改措施"] or cells["整改情况"], cells["整改时限"], cells["整改资金"],
        progress, cleared,
    )  # fmt: skip


THREE_LISTS = ListKind(
    code="three_lists",
    workflow="hazard",
    groups=(("", ("序号", "编号")), *map(_inside, forms()["three_lists"].columns)),
    row=_three_lists,
    widths={
        "序号": 7,
        "编号": 17,
        "问题": 28,
        "部位": 17,
        "类别": 14,
        "等级": 9,
        "责任领导": 12,
        "责任部门": 14,
        "责任人": 13,
        "措施": 27,
        "时限": 13,
        "资金": 12,
        "进度": 9,
        "销号": 14,
    },
)


def _ledger(told: Told, _: int) -> tuple[str, ...]:
    cells = row_of(told)
    return tuple(cells.get(short(column), "") for column in forms()["ledger"].columns)


LEDGER = ListKind(
    code="ledger", workflow="hazard", groups=(("", forms()["ledger"].columns),), row=_ledger, forms=("xlsx",),
    widths={column: WIDTHS.get(short(column), OTHERWISE) for column in forms()["ledger"].columns},
)  # fmt: skip

LISTS = (THREE_LISTS, LEDGER)
