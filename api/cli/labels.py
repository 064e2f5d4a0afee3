"""`bihuan label`: labels for places, by which a hazard is reported with a phone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from engine.store.labels import Label


@click.group()
def label() -> None:
    """Labels for places: whoever scans one reports what he sees there."""


@label.command("list")
@data_option
@organisation_option
@json_option
def list_(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Every label, those in use first."""
    from engine.store import labels

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            found = labels.all_of(connection, here)
    if as_json:
        print_json([_told(each) for each in found])
        return
    for each in found:
        over = f"  停用 revoked {each.revoked_at:%Y-%m-%d}" if each.revoked_at else ""
        click.echo(f"{each.id}  {each.place}{over}")


@label.command()
@click.argument("places", nargs=-1, required=True, metavar="PLACE...")
@data_option
@organisation_option
@json_option
def make(places: tuple[str, ...], data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Make a label for each PLACE, as people call it: 教学楼三层东侧."""
    from api import labels
    from api.labels import MakeLabel
    from api.requests import read_as
    from engine.actor import system

    made = []
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        named = [read_as(MakeLabel, {"place": place}, runtime.engine.words).place for place in places]
        for place in named:
            made.append(labels.make(runtime, system(here), place))
            if not as_json:
                click.echo(f"{made[-1].id}  {made[-1].place}")
    if as_json:
        print_json([_told(each) for each in made])


@label.command()
@click.argument("id_", metavar="ID")
@data_option
@organisation_option
def revoke(id_: str, data: Path | None, organisation: str | None) -> None:
    """From now on the code of the label ID leads nowhere. Another one can be made for the same place."""
    from api import labels
    from engine.actor import system

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        gone = labels.revoke(runtime, system(here), id_)
    click.echo(f"revoked {gone.id}  {gone.place}")


@label.command("print")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("labels.html"), show_default=True,
    help="The page to write; it prints on A4.",
)  # fmt: skip
@data_option
@organisation_option
@json_option
def print_(ids: tuple[str, ...], output: Path, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Write a sheet to print: of the labels ID, or of all in use. With --json, what each code leads to instead."""
    from api import labels
    from api.cli.writing import written_whole
    from api.papers.labels import INSIDE_ONLY, sheet
    from engine.store import people

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            in_use = [each for each in labels.all_of(connection, here) if each.revoked_at is None]
            wanted = [labels.find(connection, here, each) for each in ids] if ids else in_use
            school = people.organisation(connection, here)
        printed = [labels.printed(runtime, each) for each in wanted]
        address, public = runtime.settings.reached_at, runtime.settings.public_url is not None
    if as_json:
        print_json([{"id": each.label.id, "place": each.label.place, "address": each.address} for each in printed])
        return
    if not printed:
        raise FolderError(
            Text(
                "还没有标签。请先用 bihuan label make 制作。",
                "There is no label yet. Make some with `bihuan label make`.",
            )
        )
    if not public:
        click.echo(
            " / ".join((INSIDE_ONLY.zh.format(address=address), INSIDE_ONLY.en.format(address=address))), err=True
        )
    assert school is not None
    with written_whole(output) as file:
        file.write(sheet(printed, school.name.zh, "zh", stylesheet=None, public=public).encode())
    click.echo(f"{len(printed)}  {output}")


def _told(each: "Label") -> dict[str, Any]:
    names = ("id", "place", "made_at", "made_by", "revoked_at", "revoked_by")
    return {name: getattr(each, name) for name in names}
