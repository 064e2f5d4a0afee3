"""`bihuan audit retention`: what has been kept for longer than it has to be."""

from dataclasses import asdict
from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation


@click.command()
@click.option("--years", type=click.IntRange(0, 100), default=3, show_default=True, help="Closed longer ago than this.")
@data_option
@organisation_option
@json_option
def retention(years: int, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """What has been kept for longer than three years, by workflow and year, with its size. Nothing is deleted (留存情况)."""
    from api.keeping.retention import before, kept_longer

    with opened(data) as runtime:
        here, since = the_organisation(runtime, organisation), before(runtime.clock.now(), years)
        with runtime.database.read(here) as connection:
            found = kept_longer(connection, here, since)
    if as_json:
        print_json({"organisation": here, "closed_before": since, "kept": [asdict(each) for each in found]})
        return
    click.echo(f"{since:%Y-%m-%d} 之前办结、仍在保存的 · Closed before {since:%Y-%m-%d} and still kept:")
    for each in found:
        click.echo(
            f"{each.year}  {each.workflow:<12} 事项 · cases {each.cases}, 记录 · events {each.events} ({each.text}), "
            f"文件 · files {each.files} ({each.bytes} B)"
        )
    click.echo("至少保存三年；本程序不会删除任何记录 · Kept at least three years; nothing here deletes any of it")
