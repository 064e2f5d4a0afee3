"""A filing as the table that is handed in: a workbook of one sheet, its columns those of the form in forms.yaml.

Numbers are those the filing carries, never others; what the school has to sign by hand is left empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from api.figures import NOBODYS, by_department, titles_of
from api.papers import sheets
from api.papers.ledger import SOURCES
from api.papers.summary.questions import is_detail, titled
from engine.case import Case
from engine.errors import Text
from engine.store.periods import PeriodRecord
from workflows import bulletin, portal, weekly
from workflows.filing import Figures, counts_of
from workflows.reference import form_columns, levels, taxonomy

A4 = 9  # XlsxWriter's number of the paper
TITLE_POINTS, HEAD_POINTS, LINE_POINTS = 40, 76, 18
#: characters; a Chinese one takes two
WIDTHS = {
    "学校": 12, "起止日期": 12, "整改率": 8, "未整改及原因": 20, "责任人": 10, "完成时限": 11, "开展会议/教育/演练": 18,
    "部门": 16, "期间": 10, "下期重点": 20, "报送时间": 11, "报送情况": 10, "单位名称": 14, "隐患编号": 14, "隐患名称": 26, "隐患部位": 16, "隐患类别": 12, "排查日期": 11, "隐患来源": 9, "责任部门": 14,
    "整改措施": 26, "整改期限": 11, "整改状态": 8, "销号日期": 11, "平台回执号": 16, "填报人": 8, "审核人": 8, "主要负责人": 8, "填报时间": 11,
}  # fmt: skip
OTHERWISE = 6  # a number
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Filed:
    """A filing with the words around it.

    school     what it is called
    compiled, signed   by whom, and when, as the reader may be told; empty where nobody has
    period     what its period's ledger says; None of a correction, which has none of its own
    behind     the cases behind what was found, where its table has a row for each, as they were known then
    departments, people   what they are called, as the reader may be told
    """

    case: Case
    school: str
    zone: ZoneInfo
    now: datetime
    compiled: tuple[str, datetime | None]
    signed: tuple[str, datetime | None]
    period: PeriodRecord | None
    behind: Sequence[Case] = ()
    departments: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)


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
    """The filing's own table: of the week one row of numbers, for the platform a row a hazard in its order, of any other
    its numbers under their own titles; of a bulletin a row for the school and one for each department.
    """
    period, name = filed.case.facts["period"], filed.case.facts["figures"]["name"]
    if name in weekly.NAMES:
        title, columns = f"每周自查情况表（{period}）", form_columns("week_report")
        rows = [week_cells(filed, weekly.FIGURES)]
    elif name in portal.NAMES:
        title, columns = f"省风险管控系统填报（{period}）", form_columns("portal_hazards")
        rows = [_hazard_cells(filed, n, hazard) for n, hazard in enumerate(filed.behind, start=1)]
    elif name == bulletin.FIGURES.name:
        title, rows = f"{filed.case.title}（{period}）", _department_rows(filed)
        columns = tuple(rows[0])
    else:
        title, rows = filed.case.title, [_own_cells(filed)]
        columns = tuple(rows[0])
    _write(file, title, columns, rows, _notes(filed, corrects, corrected_by))


def _write(
    file: BinaryIO,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    notes: Sequence[str],
) -> None:
    """A sheet of one table: the title, the headings, the rows, and what has to be known about it beneath.

    rows    what stands under each heading; what is not among them is left to be written by hand
    """
    with sheets.begun(file) as book:
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
        sheet.repeat_rows(1)
        last = len(columns) - 1
        widths = [WIDTHS.get(column, OTHERWISE) for column in columns]
        for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
            sheet.set_column(index, index, width)
            sheet.write_string(1, index, column, head)
        sheet.merge_range(0, 0, 0, last, title, name)
        sheet.set_row(0, TITLE_POINTS)
        sheet.set_row(1, HEAD_POINTS)
        for row, cells in enumerate(rows, start=2):
            values = [cells.get(column, "") for column in columns]
            lines = [-(-len(str(value)) * 2 // width) for value, width in zip(values, widths, strict=True)]
            sheet.set_row(row, LINE_POINTS * max(2, *lines))
            for index, (value, width) in enumerate(zip(values, widths, strict=True)):
                if isinstance(value, int):
                    sheet.write_number(row, index, value, cell)
                else:
                    sheet.write_string(row, index, str(value), words if len(str(value)) > width else cell)
        for row, line in enumerate(notes, start=2 + len(rows)):
            sheet.merge_range(row, 0, row, last, line, note)


def _own_cells(filed: Filed) -> dict[str, object]:
    """A filing that no form of forms.yaml is printed for: its numbers under their own titles, and what was said with them."""
    facts, counts = filed.case.facts, counts_of(filed.case.facts)
    titles = {
        key: titled(title.zh, filed.departments)
        for key, title in titles_of(facts["figures"]).items()
        if counts.get(key) or not is_detail(key)
    }
    return {
        "部门": filed.departments.get(filed.case.department or "", filed.case.department or ""),
        "期间": facts["period"],
        **{titles[key]: count for key, count in counts.items() if key in titles},
        "未整改及原因": facts.get("reasons") or "",
        "下期重点": facts.get("next_month") or "",
        "填报人": filed.compiled[0],
        "审核人": filed.signed[0],
        "报送时间": _day(None if filed.period is None else filed.period.reported_at, filed.zone),
        "报送情况": came(filed).zh,
    }


def _department_rows(filed: Filed) -> list[dict[str, object]]:
    """The whole school first. A department that is not among them has none of these; what it has of one it has none of is 0."""
    figures, counts = filed.case.facts["figures"], counts_of(filed.case.facts)
    of_each = by_department(figures)
    titles = {each.key: each.title.zh for each in bulletin.FIGURES.by_department}
    sums = {key: sum(numbers[key].count for numbers in of_each.values()) for key in titles}
    whole = {titles[key]: counts.get(key, sums[key]) for key in titles}
    others = {
        number.title.zh: counts[number.key] for number in bulletin.FIGURES.numbers if number.key not in titles
    }  # fmt: skip
    return [
        {"部门": "全校", **whole, **others},
        *(
            {
                "部门": "尚未分派" if code == NOBODYS else filed.departments.get(code, code),
                **{titles[key]: number.count for key, number in numbers.items()},
            }
            for code, numbers in of_each.items()
        ),
    ]


def _hazard_cells(filed: Filed, number: int, hazard: Case) -> dict[str, object]:
    """A hazard as the platform asks for it, as it was known when the month was over; its number there as it is known by now."""
    facts = hazard.facts
    found = hazard.opened_at
    return {
        "序号": number,
        "单位名称": filed.school,
        "隐患编号": hazard.number,
        "隐患名称": hazard.title,
        "隐患部位": hazard.place,
        "隐患类别": taxonomy().title(hazard.category) if hazard.category in taxonomy().all else hazard.category,
        "隐患等级": levels()[hazard.level].title.zh if hazard.level in levels() else "未定级",
        "排查日期": _day(found, filed.zone),
        "隐患来源": SOURCES.get(str(facts.get("source", "")), ""),
        "责任部门": filed.departments.get(hazard.department or "", hazard.department or ""),
        "责任人": filed.people.get(hazard.assignee or "", ""),
        "整改措施": facts.get("measure") or facts.get("requirement") or "",
        "整改期限": _day(hazard.first_due_at, filed.zone),
        "整改状态": "已整改" if hazard.final else "整改中",
        "销号日期": _day(hazard.closed_at, filed.zone),
        "平台回执号": portal.receipts_of(filed.case).get(hazard.number, ""),
    }


def week_cells(filed: Filed, figures: Figures) -> dict[str, object]:
    """What stands under the headings of the weekly form."""
    facts, counts = filed.case.facts, counts_of(filed.case.facts)
    numbers: dict[str, object] = {n.column: counts[n.key] for n in figures.numbers if n.column is not None}
    since, before = (
        datetime.fromisoformat(facts[name]).astimezone(filed.zone) for name in ("covers_from", "covers_before")
    )
    last = before - timedelta(seconds=1)
    held = [(counts.get("meetings", 0), "会议"), (counts.get("drills", 0), "演练")]
    activities = [*(f"{what} {times} 次" for times, what in held if times), facts.get("activities") or ""]
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
    lines = [f"编号 {filed.case.number}；数字由系统统计，截至 {as_of:%Y-%m-%d %H:%M}；{signed}。"]
    if "departments" in facts["figures"]:
        return [*lines, "未列出的部门各项均为 0；“零报告”是部门报了、没有，“月报未报”是没有报。"]
    lines.append(f"报送情况：{came(filed).zh}{'；零报告：本期未发现隐患' if facts['zero'] else ''}。")
    if corrects is not None:
        lines.append(f"第 {facts['version']} 版，更正 {corrects}：{facts.get('reason') or ''}")
    if corrected_by is not None:
        lines.append(f"本件已由 {corrected_by} 更正，两版均保留。")
    return lines
