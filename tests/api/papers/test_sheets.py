"""No workbook makes anything but text of a text, whatever it begins with."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from api.papers import sheets
from api.papers.book import write_paper, write_sheet
from api.papers.filing import Filed, write_table
from api.papers.listing import write_book
from api.papers.paper import Cell, Paper, Sheet
from api.papers.people_sheets import write_first_passwords, write_template
from engine.case import Case
from engine.directory import Department
from engine.errors import Text
from workflows import hazard_report

HOSTILE = (
    "=1+1", "{=1+1}", "=HYPERLINK(\"http://evil.example\")", "+1", "@SUM(1)", "http://evil.example", "mailto:a@evil.example",
    "file:///etc/passwd", "internal:Sheet1!A1", "external:c:\\evil.xlsx",
)  # fmt: skip


def carried_out(file: io.BytesIO) -> list[str]:
    """What a spreadsheet program would carry out, or lead elsewhere by: a formula in a cell, or a link on it."""
    with zipfile.ZipFile(file) as book:
        parts = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/")]
    return [
        found for part in parts for found in re.findall(r"<f>.*?</f>|<f .*?</f>|<hyperlink.*?>|TargetMode.*?>", part)
    ]


class Line(BaseModel):
    text: str


def a_paper(file: BinaryIO, text: str) -> None:
    cells = (Cell(text, text), Cell("甲", text), Cell("乙", text))
    write_paper(file, Paper("x", "会议记录", text, text, text, 1, cells, ((text,), ("甲", "乙")), ""), {})


def a_sheet(file: BinaryIO, text: str) -> None:
    groups = ((text, (text, "甲")), ("", ("乙",)))
    write_sheet(file, Sheet("x", "清单", text, groups, ((text, text, text),), text, text), {text: 9, "甲": 9, "乙": 9})


def a_filing(file: BinaryIO, text: str) -> None:
    told: Any = {"name": hazard_report.FIGURES.name, "as_of": "2020-03-31T00:00:00+00:00", "numbers": {}}
    facts = {"period": text, "figures": told, "zero": False, "reasons": text, "version": 2, "reason": text}
    now = datetime(2020, 4, 1, tzinfo=UTC)
    filed = Case(
        "school",
        text,
        "hazard_report",
        1,
        "x",
        "fixed",
        final=False,
        opened_at=now,
        title=text,
        department=text,
        facts=facts,
    )
    write_table(file, Filed(filed, text, ZoneInfo("UTC"), now, (text, now), (text, now), None), text, text)


@pytest.mark.parametrize(
    "write",
    [
        a_paper,
        a_sheet,
        a_filing,
        lambda file, text: write_book(file, "清单", [(text, lambda line: line.text)], [[Line(text=text)]]),
        lambda file, text: write_first_passwords(file, [(text, text, text, text, text)]),
        lambda file, text: write_template(file, [Department("school", "D", Text(text, text))], [{"name": text, "post": text}]),
    ],
    ids=["paper", "list", "filing", "lines", "first passwords", "people"],
)  # fmt: skip
def test_a_text_is_a_text_in_every_workbook(write: Callable[[BinaryIO, str], None]) -> None:
    for text in HOSTILE:
        file = io.BytesIO()
        write(file, text)
        assert carried_out(file) == [], text


def test_whatever_is_written_by_the_door_in_whatever_way_stays_a_text() -> None:
    """So the next workbook is as safe, however its writer goes about it: there is no other door (`xlsxwriter-door`)."""
    ways: list[Callable[[Any, int, str], object]] = [
        lambda sheet, row, text: sheet.write(row, 0, text),
        lambda sheet, row, text: sheet.write_row(row, 2, [text]),
        lambda sheet, row, text: sheet.write_column(row, 4, [text]),
        lambda sheet, row, text: sheet.merge_range(row, 6, row, 8, text),
    ]
    file = io.BytesIO()
    with sheets.begun(file) as book:
        sheet = book.add_worksheet("x")
        for row, text in enumerate(HOSTILE):
            for way in ways:
                way(sheet, row, text)
    assert carried_out(file) == []
