"""`audit export`: what is on record, handed over to other programs."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from api.cli.writing import written_whole

if TYPE_CHECKING:
    from engine.store.records import Record


@click.command()
@click.option("--format", "how", required=True, type=click.Choice(["ocel", "jsonl"]), help="What it is written as.")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE")
@click.option("--names", is_flag=True, help="People by name as well, and not by key alone.")
@data_option
@organisation_option
@json_option
def export(how: str, output: Path, names: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Hand everything on record over to other programs (导出全部记录).

    \b
    ocel    OCEL 2.0 (JSON): cases, departments and people as objects, for process mining 供流程挖掘软件读取
    jsonl   an event a line, with everything it says, the logbook too 每行一条记录，含操作日志

    The logbook notes that it was taken.
    """
    from api.papers.lines import write_lines
    from api.papers.ocel import write_ocel
    from engine import sealing
    from engine.actor import system
    from engine.handle import note
    from engine.store import trail

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        sealing.number(runtime.database, here)
        with runtime.database.read(here) as connection:
            size = trail.size(connection, here)

        def progress(found: "Iterable[Record]") -> "Iterator[Record]":
            with click.progressbar(found, length=size, label="导出记录 · Events", file=sys.stderr) as bar:
                yield from bar

        told: dict[str, object] = {"file": str(output), "format": how}
        with written_whole(output) as file:
            if how == "ocel":
                log = write_ocel(runtime.database, here, size, file, with_names=names, progress=progress)
                told |= {"events": sum(log.events.values()), "objects": sum(log.objects.values())}
            else:
                told |= {"events": write_lines(runtime.database, here, size, file, with_names=names, progress=progress)}
            about = {"what": "events", "format": how, "events": told["events"], "names": names}
            note(runtime.engine, system(here), "exported", about)
    if as_json:
        print_json(told)
        return
    counted = f"{told['events']} 条记录 · {told['events']} events"
    if "objects" in told:
        counted += f"，{told['objects']} 个对象 · {told['objects']} objects"
    click.echo(f"{output}: {counted}")
