"""The one door by which a workbook is begun: whatever a text begins with, it reaches its cell as text."""

from pathlib import Path
from typing import Any, BinaryIO

import xlsxwriter


def begun(to: BinaryIO | Path, *, row_by_row: bool = False, in_memory: bool = False) -> Any:
    """A workbook, to be used as a context and written where that ends.

    row_by_row   each row is written as it comes: any number of them takes the same memory
    in_memory    nothing of it is laid aside as a file on the way
    """
    # the writer would make a formula of what begins with = or {=, and a link of http://, mailto: or file:// wherever a text
    # does not go through `write_string`: merging cells does not
    return xlsxwriter.Workbook(
        to,
        {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": row_by_row, "in_memory": in_memory},
    )
