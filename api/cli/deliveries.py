"""The outbox: what waits, what is dead, and sending the dead again."""

from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

MOST = 100_000  # dead letters looked through for the ids that are named


@click.group()
def outbox() -> None:
    """Messages on their way."""


@outbox.command("list")
@click.option(
    "--dead", is_flag=True, help="Only those that go nowhere by themselves: dead letters and the unreachable."
)
@click.option("--case", "number", help="Only those about this case.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@data_option
@organisation_option
@json_option
def list_(
    dead: bool, number: str | None, limit: int, data: Path | None, organisation: str | None, as_json: bool
) -> None:
    """Deliveries, the latest first."""
    from api.schemas import delivery_line
    from engine.store import cases
    from notifications import deliveries

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            if number is not None and cases.load(connection, here, number) is None:
                raise FolderError(Text(f"没有编号为“{number}”的事项。", f"There is no case {number!r}."))
            found = deliveries.list_deliveries(connection, here, dead=dead, case=number, limit=limit)
    lines = [delivery_line(delivery) for delivery in found]
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("没有 · none")
        return
    click.echo("编号 id  状态 status  事项 case  事由 reason  渠道 channel → 收件人 to  次数 tries  答复 answer")
    for line in lines:
        click.echo(
            f"{line['id']}  {line['status']}  {line['case']}  {line['reason']}  {line['channel']} → {line['to']}"
            f"  {line['attempts']}  {line['answer'] or ''}".rstrip()
        )


@outbox.command()
@click.argument("ids", nargs=-1)
@data_option
@organisation_option
@json_option
def redrive(ids: tuple[str, ...], data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Send dead letters again under the keys they had: those named by IDS, or all."""
    from notifications import deliveries

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            dead = {delivery.id for delivery in deliveries.list_deliveries(connection, here, dead=True, limit=MOST)}
        if unknown := sorted(set(ids) - dead):
            raise FolderError(
                Text(
                    f"这些不是本单位的死信：{'、'.join(unknown)}。可用 bihuan outbox list --dead 查看。",
                    f"No dead letters of this organisation: {', '.join(unknown)}. See `bihuan outbox list --dead`.",
                )
            )
        with runtime.database.write(here) as connection:
            again = deliveries.redrive(connection, here, list(ids) or None, runtime.clock.now())
        sent = runtime.deliver()
    if as_json:
        print_json({"redriven": again, "sent": sent.sent, "again": sent.again, "dead": sent.dead})
    else:
        click.echo(f"redriven {again}  sent {sent.sent}  again {sent.again}  dead {sent.dead}")
