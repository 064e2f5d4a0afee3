"""The templates that come with the program, drawn from the layout of a paper: A4, a title, a table, and where it is stamped."""

import io
from collections.abc import Sequence
from typing import Any

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.table import WD_ALIGN_VERTICAL, WD_ROW_HEIGHT_RULE, WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Length, Pt, RGBColor

from api.papers.paper import ROW, ROWS, field_of, short

FONT = "Noto Sans CJK SC"  # named, or programs without a Chinese default draw Japanese shapes
SHADE = "F2F2F2"
SMALL = 8  # points: fourteen columns across a page
TIGHT = Cm(0.1)  # on either side of what stands in one of them
LABEL, VALUE = Cm(3.2), Cm(4.8)  # seven characters of a heading stand in one line
LOW, HIGH = Cm(0.95), Cm(1.7)  # of a row with short answers, and of one with a sentence; written on by hand, too


def paper(layout: Sequence[Sequence[str]], *, stamped: bool) -> bytes:
    """layout    headings by rows, as a paper has them"""
    document = empty(landscape=False)
    line(document, "{{ 单位 }}", size=13, centred=True, after=2)
    line(document, "{{ 标题 }}", size=20, bold=True, centred=True, after=8)
    numbers = line(document, "事项编号：{{ 事项编号 }}\t{{ 文书编号 }}", size=10.5, after=4)
    numbers.paragraph_format.tab_stops.add_tab_stop(2 * (LABEL + VALUE), WD_TAB_ALIGNMENT.RIGHT)
    table = document.add_table(0, 4)
    frame(table, [LABEL, VALUE, LABEL, VALUE])
    for headings in layout:
        cells = table.add_row().cells
        wide = len(headings) == 1
        _height(table.rows[-1], HIGH if wide else LOW)
        if wide:
            cells[1].merge(cells[3])
        for at, heading in enumerate(headings):
            label(cells[2 * at], short(heading))
            _value(cells[2 * at + 1], f"{{{{ {field_of(heading)} }}}}")
    if stamped:
        _stamp(document)
    footer(document, "{{ 依据 }}")
    return saved(document)


def sheet(groups: Sequence[tuple[str, Sequence[str]]], widths: Sequence[float]) -> bytes:
    """groups    a heading and the columns under it; widths    of the columns, in whatever unit: they share the page's"""
    document = empty(landscape=True)
    page = document.sections[0]
    room = page.page_width - page.left_margin - page.right_margin
    line(document, "{{ 单位 }}{{ 标题 }}", size=18, bold=True, centred=True, after=6)
    head = line(document, "范围：{{ 范围 }}\t共 {{ 共 }} 项　打印时间：{{ 打印时间 }}", size=9, after=3)
    head.paragraph_format.tab_stops.add_tab_stop(room, WD_TAB_ALIGNMENT.RIGHT)
    columns = [column for _, inside in groups for column in inside]
    table = document.add_table(5, len(columns))
    _tighten(table)
    frame(table, [Length(int(room * width / sum(widths))) for width in widths])
    at = 0
    for group, inside in groups:
        top = table.rows[0].cells
        for number, column in enumerate(inside, start=at):
            if not group:
                top[number].merge(table.rows[1].cells[number])
                label(table.cell(0, number), column, size=SMALL)
            else:
                label(table.cell(1, number), column, size=SMALL)
            _value(table.cell(3, number), f"{{{{ {ROW}.{field_of(column)} }}}}", size=SMALL)
        if group:
            label(table.cell(0, at).merge(table.cell(0, at + len(inside) - 1)), group, size=SMALL)
        at += len(inside)
    for row in (0, 1):
        repeated(table.rows[row])
    table.cell(2, 0).text = f"{{%tr for {ROW} in {ROWS} %}}"
    table.cell(4, 0).text = "{%tr endfor %}"
    for row in table.rows:
        _unbroken(row)
    footer(document, "")
    return saved(document)


def empty(*, landscape: bool) -> Any:
    document = Document()
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21), Cm(29.7)
    page.top_margin = page.bottom_margin = Cm(2.2)
    page.left_margin = page.right_margin = Cm(2.5)
    if landscape:
        page.orientation = WD_ORIENT.LANDSCAPE
        page.page_width, page.page_height = page.page_height, page.page_width
        page.top_margin = page.bottom_margin = page.left_margin = page.right_margin = Cm(1.6)
    style = document.styles["Normal"]
    style.font.name, style.font.size = FONT, Pt(10.5)
    _in_all_scripts(style.element.rPr.rFonts)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "zh-CN")
    language.set(qn("w:eastAsia"), "zh-CN")
    style.element.rPr.append(language)
    style.paragraph_format.space_after = Pt(0)
    document.core_properties.title = document.core_properties.comments = document.core_properties.author = ""
    return document


def in_our_font(run: Any) -> None:
    """A run of a style that has a font and a colour of its own."""
    run.font.name, run.font.color.rgb = FONT, RGBColor(0, 0, 0)
    _in_all_scripts(run._r.rPr.rFonts)  # noqa: SLF001  the library sets the font of western letters alone


def _in_all_scripts(fonts: Any) -> None:
    for script in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
        fonts.set(qn(script), FONT)


def line(document: Any, text: str, *, size: float, bold: bool = False, centred: bool = False, after: float = 0) -> Any:
    paragraph = document.add_paragraph()
    run = paragraph.add_run(text)
    run.bold, run.font.size = bold, Pt(size)
    paragraph.paragraph_format.space_after = Pt(after)
    if centred:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    return paragraph


def frame(table: Any, widths: Sequence[Length]) -> None:
    table.style = "Table Grid"
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    for row in table.rows:
        for cell, width in zip(row.cells, widths, strict=True):
            cell.width = width


def _tighten(table: Any) -> None:
    margins = OxmlElement("w:tblCellMar")
    for side in ("w:left", "w:right"):
        margin = OxmlElement(side)
        margin.set(qn("w:w"), str(TIGHT.twips))
        margin.set(qn("w:type"), "dxa")
        margins.append(margin)
    table._tbl.tblPr.find(qn("w:tblLook")).addprevious(margins)  # noqa: SLF001  the library knows no margins of all cells


def _height(row: Any, least: Length) -> None:
    row.height, row.height_rule = least, WD_ROW_HEIGHT_RULE.AT_LEAST


def label(cell: Any, text: str, size: float = 10.5) -> None:
    paragraph = cell.paragraphs[0]
    run = paragraph.add_run(text)
    run.bold, run.font.size = True, Pt(size)
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
    shade = OxmlElement("w:shd")
    shade.set(qn("w:val"), "clear")
    shade.set(qn("w:fill"), SHADE)
    cell._tc.get_or_add_tcPr().append(shade)  # noqa: SLF001  the library has no other way to shade a cell


def _value(cell: Any, text: str, size: float = 10.5) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.add_run(text).font.size = Pt(size)
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(2)  # off the lines around it
    cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER


def repeated(row: Any) -> None:
    """At the top of every page."""
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # noqa: SLF001  the same


def _unbroken(row: Any) -> None:
    row._tr.get_or_add_trPr().insert(0, OxmlElement("w:cantSplit"))  # noqa: SLF001  the same


def _stamp(document: Any) -> None:
    for text in ("{{ 单位 }}（盖章）", "　　　年　　月　　日"):
        paragraph = line(document, text, size=10.5)
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        paragraph.paragraph_format.space_before = Pt(10)


def footer(document: Any, words: str) -> None:
    paragraph = document.sections[0].footer.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for text, code in ((f"{words}　第 " if words else "第 ", "PAGE"), (" 页，共 ", "NUMPAGES"), (" 页", "")):
        paragraph.add_run(text).font.size = Pt(8)
        if code:
            _number(paragraph, code)


def _number(paragraph: Any, code: str) -> None:
    for kind in ("begin", "instruction", "separate", "text", "end"):
        run = paragraph.add_run()
        run.font.size = Pt(8)
        if kind == "text":
            run.text = "1"
            continue
        element = OxmlElement("w:instrText" if kind == "instruction" else "w:fldChar")
        if kind == "instruction":
            element.text = f" {code} "
        else:
            element.set(qn("w:fldCharType"), kind)
        run._r.append(element)  # noqa: SLF001  the library knows no fields


def saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
