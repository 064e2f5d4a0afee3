"""A filing as the table that is handed in: a workbook of one sheet, its columns those of the form in forms.yaml.

Numbers are those the filing carries, never others; what the school has to sign by hand is left empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import xlsxwriter

from engine.case import Case
from engine.errors import Text
from engine.store.periods import PeriodRecord
from workflows import weekly
from workflows.filing import Figures, counts_of
from workflows.reference import form_columns

A4 = 9  # XlsxWriter's number of the paper
TITLE_POINTS, HEAD_POINTS, LINE_POINTS = 40, 76, 18
#: characters; a Chinese one takes two
WIDTHS = {
    "学校": 12, "起止日期": 12, "整改率": 8, "未整改及原因": 20, "责任人": 10, "完成时限": 11, "开展会议/教育/演练": 18,
    "填报人": 8, "审核人": 8, "主要负责人": 8, "填报时间": 11,
}  # fmt: skip
OTHERWISE = 6  # a number
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Filed:
    """A filing with the words around it.

    school     what it is called
    compiled, signed   by whom, and when, as the reader may be told; empty where nobody has
    period     what its period's ledger says; None of a correction, which has none of its own
    """

    case: Case
    school: str
    zone: ZoneInfo
    now: datetime
    compiled: tuple[str, datetime | None]
    signed: tuple[str, datetime | None]
    period: PeriodRecord | None


def came(filed: Filed) -> Text:
    """What came of it, in so many words that no two of them look alike: in time, late, not handed in yet, missing, waived."""
    period = filed.period
    if period is None:
        return Text("更正件", "a correction")
    if period.status == "open":
        return (
            Text("未报（已过期限）", "not reported")
            if period.missing(filed.now)
            else Text("尚未报出", "not handed in yet")
        )
    return {"reported": Text("按时报送", "in time"), "late": Text("迟报", "late"), "waived": Text("免报", "waived")}[
        period.status
    ]


def write_table(file: BinaryIO, filed: Filed, corrects: str | None, corrected_by: str | None) -> None:
    """The filing's own table."""
    title = f"每周自查情况表（{filed.case.facts['period']}）"
    _write(
        file,
        title,
        form_columns("week_report"),
        _week_cells(filed, weekly.FIGURES),
        _notes(filed, corrects, corrected_by),
    )


def _write(
    file: BinaryIO, title: str, columns: Sequence[str], cells: Mapping[str, object], notes: Sequence[str]
) -> None:
    """A sheet of one table: the title, the headings, one row, and what has to be known about it beneath.

    cells   by heading; what is not among them is left to be written by hand
    """
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("报表")
        name = book.add_format({"bold": True, "font_size": 16, "align": "center", "valign": "vcenter"})
        head = book.add_format({"bold": True, "text_wrap": True, "align": "center", "valign": "vcenter", "border": 1, "bg_color": "#E7EEF7"})  # fmt: skip
        cell = book.add_format({"text_wrap": True, "align": "center", "valign": "vcenter", "border": 1})
        words = book.add_format({"text_wrap": True, "align": "left", "valign": "vcenter", "border": 1})
        note = book.add_format({"text_wrap": True, "valign": "vcenter"})
        sheet.set_landscape()
        sheet.set_paper(A4)
        sheet.set_margins(0.4, 0.4, 0.5, 0.5)
        sheet.fit_to_pages(1, 0)
        last = len(columns) - 1
        widths = [WIDTHS.get(column, OTHERWISE) for column in columns]
        for index, width in enumerate(widths):
            sheet.set_column(index, index, width)
        sheet.merge_range(0, 0, 0, last, title, name)
        sheet.set_row(0, TITLE_POINTS)
        sheet.set_row(1, HEAD_POINTS)
        for index, column in enumerate(columns):
            sheet.write_string(1, index, column, head)
            value = cells.get(column, "")
            if isinstance(value, int):
                sheet.write_number(2, index, value, cell)
            else:
                sheet.write_string(2, index, str(value), words if len(str(value)) > widths[index] else cell)
        lines = max(
            -(-len(str(cells.get(column, ""))) * 2 // width) for column, width in zip(columns, widths, strict=True)
        )
        sheet.set_row(2, LINE_POINTS * max(3, lines))
        for row, line in enumerate(notes, start=3):
            sheet.merge_range(row, 0, row, last, line, note)


def _week_cells(filed: Filed, figures: Figures) -> dict[str, object]:
    """What stands under the headings of the weekly form."""
    facts, counts = filed.case.facts, counts_of(filed.case.facts)
    numbers: dict[str, object] = {n.column: counts[n.key] for n in figures.numbers if n.column is not None}
    since, before = (
        datetime.fromisoformat(facts[name]).astimezone(filed.zone) for name in ("covers_from", "covers_before")
    )
    last = before - timedelta(seconds=1)
    drills = counts.get("drills", 0)
    activities = [facts.get("activities") or "", f"演练 {drills} 次" if drills else ""]
    return {
        **numbers,
        "学校": filed.school,
        "起止日期": f"{since:%Y-%m-%d}\n至 {last:%Y-%m-%d}",
        "参与排查人次": facts["participants"],
        "整改率": share(counts["removed"], counts["found"]),
        "未整改及原因": _left(counts["left"], facts.get("reasons")),
        "责任人": facts.get("responsible") or "",
        "完成时限": facts.get("finish_by") or "",
        "投入资金": facts.get("funds") or "",
        "开展会议/教育/演练": "；".join(filter(None, activities)),
        "填报人": filed.compiled[0],
        "审核人": filed.signed[0],
        "填报时间": _day(filed.compiled[1], filed.zone),
    }


def share(part: int, whole: int) -> str:
    """Of nothing there is no share, which is not nought."""
    return "—" if not whole else f"{part * 100 / whole:.1f}%"


def _left(left: int, reasons: Any) -> str:
    if not left:
        return "无"
    return f"{left} 处：{reasons}" if reasons else f"{left} 处"


def _day(instant: datetime | None, zone: ZoneInfo) -> str:
    return "" if instant is None else f"{instant.astimezone(zone):%Y-%m-%d}"


def _notes(filed: Filed, corrects: str | None, corrected_by: str | None) -> list[str]:
    """What has to be known about the table: as known when, signed or not, how it came, and what corrects what."""
    facts = filed.case.facts
    as_of = datetime.fromisoformat(facts["figures"]["as_of"]).astimezone(filed.zone)
    signed = (
        f"审核签字：{filed.signed[0]}，{_day(filed.signed[1], filed.zone)}"
        if filed.signed[0]
        else "尚未签字，数字可重新汇总"
    )
    lines = [
        f"编号 {filed.case.number}；数字由系统统计，截至 {as_of:%Y-%m-%d %H:%M}；{signed}。",
        f"报送情况：{came(filed).zh}{'；零报告：本周未发现隐患' if facts['zero'] else ''}。",
    ]
    if corrects is not None:
        lines.append(f"第 {facts['version']} 版，更正 {corrects}：{facts.get('reason') or ''}")
    if corrected_by is not None:
        lines.append(f"本件已由 {corrected_by} 更正，两版均保留。")
    return lines
