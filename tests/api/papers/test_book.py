"""Papers as workbooks: what no cell holds is cut and says so."""

import io

import openpyxl

from api.papers.book import CUT, MOST_IN_CELL, write_paper
from api.papers.paper import Cell, Paper


def test_a_text_longer_than_a_cell_is_cut_and_not_left_out() -> None:
    names = "张老师、" * 10_000
    paper = Paper("x", "会议记录", "某校", "", "WJ-2020-0001", 1, (Cell("未确认名单", names),), (("未确认名单",),), "")
    file = io.BytesIO()
    write_paper(file, paper, {})
    sheet = openpyxl.load_workbook(file).active
    assert sheet is not None
    [told] = [cell for row in sheet.iter_rows() for cell in row if str(cell.value).startswith("张老师")]
    assert len(str(told.value)) == MOST_IN_CELL and str(told.value).endswith(CUT)
    assert told.row is not None and (sheet.row_dimensions[told.row].height or 0) <= 409, (
        "as high as Excel lets a row be"
    )
