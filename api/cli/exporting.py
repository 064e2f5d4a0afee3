"""Sheets for the drawer: what inspectors ask to see, as files."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import data_option, opened, organisation_option, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from engine.case import Case


@click.group()
def export() -> None:
    """Write sheets as files."""


@export.command()
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.xlsx")
@data_option
@organisation_option
def ledger(output: Path, data: Path | None, organisation: str | None) -> None:
    """The ledger of hazards (隐患排查整改台账) as an Excel workbook."""
    from api.causes import cause_of
    from api.papers.ledger import write_ledger

    def progress(cases: "Sequence[Case]") -> "Iterator[Case]":
        with click.progressbar(cases, label="导出台账 · Ledger", file=sys.stderr) as bar:
            yield from bar

    beside = output.with_name(f"{output.name}.part")  # a ledger cut off half-way may not take the old one's place
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        try:
            # put together beforehand: on a full disk the workbook's own file would try again while it is thrown away
            book = BytesIO()
            with beside.open("wb") as file:
                with runtime.database.read() as connection:
                    count = write_ledger(connection, runtime.engine.catalog, here, runtime.clock.now(), book, progress)
                file.write(book.getbuffer())
            beside.replace(output)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            why = cause_of(error)
            raise FolderError(Text(f"无法写入 {output}：{why.zh}。", f"Cannot write {output}: {why.en}.")) from error
    click.echo(f"{output}: {count}")
