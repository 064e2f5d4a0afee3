"""The outbox: what was sent to whom, what waits, what is dead and why, and sending the dead again."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:  # only for the reader: `--help` must not wait for the database's imports
    from zoneinfo import ZoneInfo

    from api.bootstrap import Runtime
    from notifications.deliveries import Cause
    from notifications.message import Delivery

AT_ONCE = 200  # redriven in one transaction, so that nobody waits for it
CAUSES = 20  # shown; whoever has more begins with these
INSTANT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])
STATUSES = ("waiting", "sending", "sent", "dead", "held", "unreachable", "withdrawn")

channel_option = click.option("--channel", help="Only by this kind of channel.")
account_option = click.option("--account", help="Only by this one of the organisation's channels.")
since_option = click.option("--since", type=INSTANT, help="Only what was planned then or later, by the school's clock.")


@click.group()
def outbox() -> None:
    """Messages: what was sent to whom, what waits, what could not be sent."""


@outbox.command("list")
@click.option(
    "--dead", is_flag=True, help="Only those that go nowhere by themselves: dead letters and the unreachable."
)
@click.option("--case", "number", help="Only those about this case.")
@click.option("--person", help="Only those to this person.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that stand so.")
@channel_option
@account_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@data_option
@organisation_option
@json_option
def list_(
    dead: bool, number: str | None, person: str | None, status: Any, channel: str | None, account: str | None,
    limit: int, data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Deliveries, the latest first."""
    from api.schemas import delivery_line
    from engine.store import cases, people
    from notifications import deliveries
    from notifications.answers import in_both

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            if number is not None and cases.load(connection, here, number) is None:
                raise FolderError(Text(f"没有编号为“{number}”的事项。", f"There is no case {number!r}."))
            found = deliveries.list_deliveries(
                connection, here, dead=dead, case=number, person=person, status=status, channel=channel,
                account=account, limit=limit,
            )  # fmt: skip
            zone = people.time_zone(connection, here)
    lines = [delivery_line(delivery) for delivery in found]
    if as_json:
        print_json(lines)
        return
    if not lines:
        click.echo("没有 · none")
        return
    click.echo(
        "编号 id  状态 status  事项 case  事由 reason  渠道 channel → 收件人 to  计划 planned  发出 sent／下次 next  次数 tries  答复 answer"
    )
    for line, delivery in zip(lines, found, strict=True):
        click.echo(
            f"{line['id']}  {line['status']}  {line['case'] or '-'}  {line['reason']}  {line['channel'] or '-'} → "
            f"{line['to'] or '-'}  {_by_the_clock(delivery.planned_at, zone)}  {_sent_or_next(delivery, zone)}"
            f"  {line['attempts']}  {in_both(delivery.answer or '')}".rstrip()
        )


def _by_the_clock(instant: datetime, zone: "ZoneInfo") -> str:
    """By the school's clock."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


def _sent_or_next(delivery: "Delivery", zone: "ZoneInfo") -> str:
    """When it was sent, or when it goes or is tried again; `-` for what does neither."""
    if delivery.sent_at is not None:
        return f"发出 {_by_the_clock(delivery.sent_at, zone)}"
    return f"下次 {_by_the_clock(delivery.not_before, zone)}" if delivery.status == "waiting" else "-"


@outbox.command()
@click.argument("delivery", metavar="ID")
@data_option
@organisation_option
@json_option
def show(delivery: str, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """One delivery, and its message as it went, or as it would go now."""
    from api.deliveries import STATUS_WORDS, message_in_words, unknown_delivery
    from api.schemas import delivery_line
    from engine.store import people
    from notifications import deliveries
    from notifications.answers import in_both

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            zone = people.time_zone(connection, here)
            found = deliveries.find(connection, here, delivery)
            if found is None:
                raise unknown_delivery(delivery)
            said = message_in_words(runtime, connection, found)
    line = delivery_line(found)
    if as_json:
        print_json({**line, **said})
        return
    words = STATUS_WORDS[found.status]
    click.echo(f"{found.id}  {found.status}  {words.zh} · {words.en}")
    by = found.account if found.account in (found.channel, "") else f"{found.channel} ({found.account})"
    click.echo(f"{line['case'] or '-'}  {found.notice.reason}  {by} → {found.addressee.key or '-'}")
    for name, at in (
        ("计划 planned", found.planned_at),
        ("发出 sent", found.sent_at),
        ("下次 next", found.not_before if found.status == "waiting" else None),
    ):
        if at is not None:
            click.echo(f"{name}  {_by_the_clock(at, zone)}")
    if found.answer:
        click.echo(f"答复 answer  {in_both(found.answer)}")
    click.echo("")
    if said["subject"] is None:
        click.echo("这条消息已无法还原 · this message cannot be written any more")
    else:
        click.echo(f"{said['subject']}\n\n{said['body']}")


@outbox.command()
@data_option
@organisation_option
@json_option
def figures(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """How much is where, since when the oldest is stuck, and why what is dead is dead."""
    from engine.store import people
    from notifications import deliveries
    from notifications.deliveries import Stuck

    with opened(data) as runtime:
        here, now = the_organisation(runtime, organisation), runtime.clock.now()
        with runtime.database.read(here) as connection:
            whole = deliveries.figures(connection, here, now)
            by_channel = deliveries.depth_by_channel(connection, here)
            causes = deliveries.causes(connection, here, Stuck())
            zone = people.time_zone(connection, here)
    oldest = whole.oldest_stuck_since
    age = None if oldest is None else int((now - oldest).total_seconds())
    if as_json:
        print_json(
            {
                "depth": dict(whole.depth), "oldest_stuck_since": oldest, "oldest_stuck_seconds": age,
                "by_channel": {name or "none": dict(depth) for name, depth in by_channel.items()},
                "causes": [_told(cause) for cause in causes],
            }
        )  # fmt: skip
        return
    if not whole.depth:
        click.echo("没有 · none")
        return
    for name, depth in by_channel.items():
        counted = "  ".join(f"{status} {count}" for status, count in sorted(depth.items()))
        click.echo(f"{name or '-'}  {counted}")
    if oldest is not None:
        click.echo(f"最早滞留自 · oldest stuck since {_by_the_clock(oldest, zone)}")
    _show(causes, zone)


def _told(cause: "Cause") -> dict[str, Any]:
    return {
        "channel": cause.channel or None, "account": cause.account or None, "answer": cause.answer, "count": cause.count,
        "since": cause.since,
    }  # fmt: skip


def _show(causes: "Sequence[Cause]", zone: "ZoneInfo") -> None:
    from notifications.answers import in_both

    for cause in causes[:CAUSES]:
        where, since = cause.account or cause.channel or "-", cause.since.astimezone(zone)
        click.echo(f"{cause.count}  {where}  {since:%Y-%m-%d}  {in_both(cause.answer)}".rstrip())
    if len(causes) > CAUSES:
        click.echo(f"… 另有 {len(causes) - CAUSES} 种原因 · {len(causes) - CAUSES} more causes")


@outbox.command()
@click.argument("ids", nargs=-1)
@channel_option
@account_option
@click.option("--cause", help="Only where the answer holds this, as `93000`; see `bihuan outbox figures`.")
@since_option
@click.option("--dry-run", is_flag=True, help="Only count, by cause.")
@data_option
@organisation_option
@json_option
def redrive(
    ids: tuple[str, ...], channel: str | None, account: str | None, cause: str | None, since: datetime | None,
    dry_run: bool, data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send dead letters again under the keys they had: those named by IDS or chosen by options, or all.

    Whom nobody could be found for is addressed anew. Says first how many there are and why.
    """
    from engine.store import people
    from notifications import deliveries
    from notifications.deliveries import Stuck

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        which = Stuck(ids or None, channel, account, cause, _instant(runtime, here, since))
        with runtime.database.read(here) as connection:
            found = deliveries.stuck_ids(connection, here, which)
            causes = deliveries.causes(connection, here, which)
            zone = people.time_zone(connection, here)
        if unknown := sorted(set(ids) - set(found)):
            raise FolderError(
                Text(
                    f"这些不是本单位的死信：{'、'.join(unknown)}。可用 bihuan outbox list --dead 查看。",
                    f"No dead letters of this organisation: {', '.join(unknown)}. See `bihuan outbox list --dead`.",
                )
            )
        if not as_json:
            _show(causes, zone)
        if dry_run:
            if as_json:
                print_json({"would_redrive": len(found), "causes": [_told(cause) for cause in causes]})
            else:
                click.echo(f"共 {len(found)} 条，未改动 · {len(found)} in all, nothing changed")
            return
        again = _redriven(runtime, here, found)
        sent = runtime.deliver()
    if as_json:
        told = {"redriven": again, "sent": sent.sent, "again": sent.again, "dead": sent.dead}
        print_json({**told, "causes": [_told(cause) for cause in causes]})
    else:
        click.echo(f"redriven {again}  sent {sent.sent}  again {sent.again}  dead {sent.dead}")


def _redriven(runtime: "Runtime", here: str, found: Sequence[str]) -> int:
    from notifications import deliveries

    again = 0
    some = [found[at : at + AT_ONCE] for at in range(0, len(found), AT_ONCE)]
    with click.progressbar(some, label="重新发送 · Redriving", file=sys.stderr) as bar:
        for ids in bar:
            with runtime.database.write(here) as connection:
                again += deliveries.redrive(connection, here, ids, runtime.clock.now())
    return again


def _instant(runtime: "Runtime", here: str, said: datetime | None) -> datetime | None:
    from datetime import UTC

    from engine.store import people

    if said is None:
        return None
    with runtime.database.read(here) as connection:
        return said.replace(tzinfo=people.time_zone(connection, here)).astimezone(UTC)
