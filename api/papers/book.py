"""Papers as workbooks: one that looks as it would in Word, and one of many rows. Every cell is a string, whatever it begins with."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from api.papers import sheets
from api.papers.paper import Cell, Paper, Sheet, short

FONT = "Noto Sans CJK SC"
ASCII = 127
LINE_POINTS = 16  # height of one line at 11 points
LABEL, VALUE = 14, 30  # characters
WIDE = 2 * VALUE + LABEL
LOW, HIGH = 27, 48  # points: of a row with short answers, and of one with a sentence; written on by hand, too
PICTURE_PIXELS = 230  # on the longer side; two stand beside each other in the wide column
POINTS = 0.75  # of a pixel
BESIDE = 2
A4, A3 = 9, 8  # XlsxWriter's numbers of the paper
MOST_IN_CELL = 32_767  # characters that Excel takes; the writer leaves out a longer text, and says so to nobody
CUT = "……（全文见系统记录）"
HIGHEST_ROW = 409  # points
WIDE_COLUMNS = 180  # characters of all columns together that A4 still shows in a size to be read


def write_paper(file: BinaryIO, paper: Paper, shown: Mapping[str, bytes]) -> None:
    """shown    hash → JPEG, of every picture of the paper"""
    with sheets.begun(file, in_memory=True) as book:
        looks = _looks(book)
        sheet = book.add_worksheet(paper.title[:31])
        for at, width in enumerate((LABEL, VALUE, LABEL, VALUE)):
            sheet.set_column(at, at, width)
        _merged(sheet, (0, 0, 0, 3), paper.school, looks["school"])
        _merged(sheet, (1, 0, 1, 3), paper.title, looks["title"])
        sheet.set_row(1, 36)
        _merged(sheet, (2, 0, 2, 1), f"事项编号：{paper.case}", looks["left"])
        _merged(sheet, (2, 2, 2, 3), paper.number, looks["right"])
        row = 3
        if paper.draft:
            _merged(sheet, (row, 0, row, 3), paper.draft, looks["draft"])
            sheet.set_row(row, LINE_POINTS * _lines(paper.draft, WIDE + LABEL))
            row += 1
        for cells in paper.rows():
            row = _row(sheet, row, cells, shown, looks)
        _print(sheet, A4, paper.told_from)


def _row(sheet: Any, row: int, cells: Sequence[Cell], shown: Mapping[str, bytes], looks: Mapping[str, Any]) -> int:
    """Gives the next row that is free. Pictures have rows of their own below the words."""
    wide = len(cells) == 1
    pictures = [(sha, cell) for cell in cells for sha in cell.pictures]
    height = max(LINE_POINTS * _lines(cell.text, WIDE if wide else VALUE) for cell in cells)
    below = math.ceil(len(pictures) / BESIDE)
    last = row + below
    said = any(cell.text for cell in cells)
    least = HIGH if wide and not pictures else LOW if said or not pictures else 4
    sheet.set_row(row, min(HIGHEST_ROW, max(height, least)))
    for at, cell in enumerate(cells):
        _merged(sheet, (row, 2 * at, last, 2 * at), short(cell.heading), looks["label"])
        _merged(sheet, (row, 2 * at + 1, row, 3 if wide else 2 * at + 1), cell.text, looks["value"])
        if below:
            _merged(sheet, (row + 1, 2 * at + 1, last, 3 if wide else 2 * at + 1), "", looks["value"])
    heights: dict[int, float] = {}
    for at, (sha, _) in enumerate(pictures):
        down, beside = divmod(at, BESIDE)
        high = _picture(sheet, row + 1 + down, beside, shown[sha])
        heights[down] = max(heights.get(down, 0), high)
    for down, high in heights.items():
        sheet.set_row(row + 1 + down, high * POINTS + 8)
    return last + 1


def _merged(sheet: Any, place: tuple[int, int, int, int], text: str, look: Any) -> None:
    first_row, first, last_row, last = place
    if (first_row, first) != (last_row, last):
        sheet.merge_range(first_row, first, last_row, last, "", look)
    sheet.write_string(first_row, first, _fitting(text), look)  # merging would take what begins with = for a formula


def _fitting(text: str) -> str:
    """As much of it as a cell takes, and that there is more."""
    return text if len(text) <= MOST_IN_CELL else text[: MOST_IN_CELL - len(CUT)] + CUT


def _picture(sheet: Any, row: int, beside: int, content: bytes) -> float:
    """Gives its height in pixels."""
    wide, high = _size(content)
    scale = PICTURE_PIXELS / max(wide, high)
    sheet.insert_image(
        row, 1, "picture.jpg",
        {
            "image_data": io.BytesIO(content), "x_scale": scale, "y_scale": scale, "y_offset": 4,
            "x_offset": 6 + beside * (PICTURE_PIXELS + 10), "object_position": 1,
        },
    )  # fmt: skip
    return high * scale


def _size(jpeg: bytes) -> tuple[int, int]:
    """Width and height by the frame's header (ITU-T T.81, B.2.2): the picture need not be unfolded for that."""
    at = 2
    while at + 9 <= len(jpeg):
        kind, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        at += 2 + length
    raise ValueError("a JPEG without a frame")


def write_sheet(file: BinaryIO, sheet: Sheet, widths: Mapping[str, int]) -> None:
    """widths    column → characters"""
    columns = sheet.columns
    grouped = any(group for group, _ in sheet.groups)
    with sheets.begun(file, row_by_row=True) as book:
        looks = _looks(book)
        page = book.add_worksheet(sheet.title[:31])
        wide = [widths[column] for column in columns]
        for at, width in enumerate(wide):
            page.set_column(at, at, width)
        page.set_row(0, 36)
        _across(page, 0, len(columns), f"{sheet.school}{sheet.title}", looks["title"])
        _across(
            page,
            1,
            len(columns),
            f"范围：{sheet.about}　共 {len(sheet.rows)} 项　打印时间：{sheet.made_at}",
            looks["left"],
        )
        row = 2
        if grouped:
            at = 0
            for (
                group,
                inside,
            ) in sheet.groups:  # what stands by itself has a cell in both rows, its words in the lower one
                single = range(at, at + len(inside))
                for first, last in [(at, single[-1])] if group else [(each, each) for each in single]:
                    _merged(page, (row, first, row, last), group, looks["label"])
                at += len(inside)
            row += 1
        page.set_row(row, LINE_POINTS * max(_lines(c, w - 1) for c, w in zip(columns, wide, strict=True)) + 4)
        for at, column in enumerate(columns):
            page.write_string(row, at, column, looks["label"])
        heading = row
        for cells in sheet.rows:
            row += 1
            lines = max(_lines(c, w - 1) for c, w in zip(cells, wide, strict=True))
            page.set_row(row, min(HIGHEST_ROW, LINE_POINTS * lines))
            for at, text in enumerate(cells):
                page.write_string(row, at, _fitting(text), looks["cell"])
        page.freeze_panes(heading + 1, 2)
        page.autofilter(heading, 0, max(row, heading + 1), len(columns) - 1)
        page.set_landscape()
        page.repeat_rows(2, heading)
        _print(page, A4 if sum(wide) <= WIDE_COLUMNS + 60 else A3, "")


def _across(page: Any, row: int, columns: int, text: str, look: Any) -> None:
    _merged(page, (row, 0, row, columns - 1), text, look)


def _print(sheet: Any, size: int, told_from: str) -> None:
    sheet.set_paper(size)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.6, right=0.6, top=0.7, bottom=0.7)
    sheet.center_horizontally()
    sheet.hide_gridlines(2)
    sheet.set_footer(f"&C&8{told_from}　第 &P 页，共 &N 页")


def _lines(text: str, width: int) -> int:
    """How many lines a text takes: programs that do not measure wrapped text on opening would cut it off."""
    return sum(
        max(1, math.ceil(sum(2 if ord(c) > ASCII else 1 for c in line) / width)) for line in text.split("\n") or [""]
    )


def _looks(book: Any) -> dict[str, Any]:
    def look(**more: object) -> Any:
        return book.add_format({"font_name": FONT, "valign": "vcenter", "text_wrap": True, "font_size": 11, **more})

    return {
        "school": look(align="center", font_size=13),
        "title": look(align="center", font_size=20, bold=True),
        "left": look(text_wrap=False),
        "right": look(align="right", text_wrap=False),
        "label": look(align="center", bold=True, border=1, bg_color="#F2F2F2"),
        "value": look(border=1, indent=1),
        "cell": look(border=1, valign="top", font_size=10),
        "draft": look(align="center", bold=True, font_color="#C00000"),
    }
