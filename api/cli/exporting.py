"""Sheets for the drawer: what inspectors ask to see, as files."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

import click

from api.cli.opening import data_option, opened, organisation_option, the_organisation
from api.cli.writing import written_whole

if TYPE_CHECKING:
    from api.bootstrap import Runtime
    from engine.case import Case

output_option = click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.xlsx"
)


@click.group()
def export() -> None:
    """Write sheets as files."""


@export.command()
@output_option
@click.option(
    "--book", type=click.IntRange(2000, 2100), metavar="YEAR",
    help="Only the book of this year: what was found in it, and what was carried over into it still open.",
)  # fmt: skip
@data_option
@organisation_option
def ledger(output: Path, book: int | None, data: Path | None, organisation: str | None) -> None:
    """The ledger of hazards (隐患排查整改台账) as an Excel workbook, with what was taken over from older ones."""
    from api.papers.ledger import write_ledger
    from api.trail import brought_up_to_date

    def progress(cases: "Sequence[Case]") -> "Iterator[Case]":
        with click.progressbar(cases, label="导出台账 · Ledger", file=sys.stderr) as bar:
            yield from bar

    def fill(runtime: "Runtime", here: str, file: BinaryIO) -> int:
        if book is not None:
            brought_up_to_date(runtime, here, seconds=None)  # what was open on its first of January, the trail says
        with runtime.database.read(here) as connection:
            return write_ledger(connection, runtime.engine.catalog, here, runtime.clock.now(), file, progress, book)

    _written("ledger", output, data, organisation, fill, {} if book is None else {"book": book})


@export.command("people-template")
@output_option
@click.option("--sample", is_flag=True, help="Filled in with posts in place of people: a school without a dead corner.")
@data_option
@organisation_option
def people_template(output: Path, sample: bool, data: Path | None, organisation: str | None) -> None:
    """A list of people to fill in (人员表模板), with this school's departments to choose from."""
    from api.demo.school import as_listed
    from api.papers.people_sheets import write_template
    from engine.store import people as directory

    rows = list(as_listed()) if sample else []

    def fill(runtime: "Runtime", here: str, book: BinaryIO) -> int:
        with runtime.database.read(here) as connection:
            write_template(book, directory.departments(connection, here), rows)
        return len(rows)

    _written(None, output, data, organisation, fill)


@export.command()
@output_option
@data_option
@organisation_option
def people(output: Path, data: Path | None, organisation: str | None) -> None:
    """The directory as it is, as a list that `bihuan import people` takes again."""
    from api.papers.people_sheets import write_people

    def fill(runtime: "Runtime", here: str, book: BinaryIO) -> int:
        with runtime.database.read(here) as connection:
            return write_people(connection, here, book)

    _written("people", output, data, organisation, fill)


def _written(
    what: str | None,
    output: Path,
    data: Path | None,
    organisation: str | None,
    fill: "Callable[[Runtime, str, BinaryIO], int]",
    asked: "Mapping[str, int]" = MappingProxyType({}),
) -> None:
    """Write the workbook that `fill` fills, and say how many rows it has. Who takes records away is noted before.

    what    which list, None where it holds no records
    asked   what of it
    """
    from api.trail import Reader, noted

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        # put together beforehand: on a full disk the workbook's own file would try again while it is thrown away
        book = BytesIO()
        with written_whole(output) as file:
            count = fill(runtime, here, book)
            if what is not None:
                noted(runtime, Reader.system(here, runtime.engine.catalog), what, asked, count)
            file.write(book.getbuffer())
    click.echo(f"{output}: {count}")
