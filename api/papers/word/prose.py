"""The stage summary as a Word file: headings, paragraphs and a table of numbers, to be read and gone over by whoever signs it."""

from collections.abc import Mapping, Sequence
from typing import Any

from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_COLOR_INDEX
from docx.shared import Cm, Pt

from api.papers.word import blank

BODY = 12  # points
INDENT = Pt(2 * BODY)  # two characters, as Chinese prose begins
WIDTHS = (Cm(13), Cm(3))


def summary(told: Mapping[str, Any]) -> bytes:
    """told    as `asking.summary_of` sends it"""
    document = blank.empty(landscape=False)
    blank.line(document, told["school"], size=14, centred=True, after=2)
    blank.line(document, told["title"], size=20, bold=True, centred=True, after=4)
    blank.line(document, told["span"], size=11, centred=True, after=10)
    for section in told["sections"]:
        if section["heading"]:
            _heading(document, section["heading"])
        for paragraph in section["paragraphs"]:
            _paragraph(document, paragraph["parts"], item=paragraph["item"])
    for words in (f"{told['school']}（盖章）", told["dated"]):
        signed = blank.line(document, words, size=BODY)
        signed.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        signed.paragraph_format.space_before = Pt(BODY)
        signed.paragraph_format.keep_with_next = words != told["dated"]
    if told["signature"]:
        blank.line(document, told["signature"], size=10).alignment = WD_ALIGN_PARAGRAPH.RIGHT
    _numbers(document, told["numbers"])
    blank.line(document, told["locked"], size=8)
    blank.footer(document, "")
    return blank.saved(document)


def _heading(document: Any, words: str) -> None:
    """A heading of Word's own, so that its outline and a table of contents know it; in our font and in black."""
    heading = document.add_heading(level=1)
    run = heading.add_run(words)
    run.font.size, run.font.bold = Pt(14), True
    blank.in_our_font(run)
    heading.paragraph_format.space_before, heading.paragraph_format.space_after = Pt(12), Pt(4)


def _paragraph(document: Any, parts: Sequence[Sequence[Any]], *, item: bool) -> None:
    """parts    (words, whether somebody has to write something there)"""
    paragraph = document.add_paragraph()
    form = paragraph.paragraph_format
    form.line_spacing = 1.5
    if item:
        form.left_indent = INDENT
    else:
        form.first_line_indent = INDENT
    for words, gap in parts:
        run = paragraph.add_run(words)
        run.font.size = Pt(BODY)
        if gap:
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW


def _numbers(document: Any, numbers: Sequence[Sequence[str]]) -> None:
    _heading(document, "附件：数字一览")
    document.paragraphs[-1].paragraph_format.page_break_before = True
    table = document.add_table(1 + len(numbers), 2)
    blank.frame(table, WIDTHS)
    for cell, words in zip(table.rows[0].cells, ("项目", "数量"), strict=True):
        blank.label(cell, words)
    blank.repeated(table.rows[0])
    # by columns: asked for row by row, the library looks through the whole table each time
    titles, counts = (table.columns[n].cells[1:] for n in (0, 1))
    for title, count, (words, number) in zip(titles, counts, numbers, strict=True):
        title.paragraphs[0].add_run(words)
        count.paragraphs[0].add_run(number)
        count.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
