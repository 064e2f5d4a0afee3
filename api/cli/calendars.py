"""The calendar: show it, load another version, work deadlines out again."""

import json
import sys
from collections.abc import Collection
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text


@click.group()
def calendar() -> None:
    """Working days, in versions."""


@calendar.command()
@data_option
@organisation_option
@json_option
def show(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """The versions there are, and the newest one."""
    from engine.handle import recompute_preview
    from engine.store import calendars

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        today = runtime.clock.now()
        with runtime.database.read(here) as connection:
            versions = calendars.versions(connection, here)
        moving = len(recompute_preview(runtime.engine, here)) if versions else 0
    if not versions:
        raise FolderError(Text("尚未载入日历。", "No calendar has been loaded."))
    newest, _ = versions[-1]
    if as_json:
        print_json(
            {
                "versions": [{"version": c.version, "loaded_at": at} for c, at in versions], "newest": newest.to_json(),
                "deadlines_to_recompute": moving,
            }
        )  # fmt: skip
        return
    for known, loaded_at in versions:
        local = loaded_at.astimezone(newest.zone)
        click.echo(f"v{known.version}  {local:%Y-%m-%d %H:%M}  {known.known_from} … {known.known_until}")
    _by_month("放假 · Days off", newest.days_off)
    _by_month("补班 · Worked weekend days", newest.working_weekend_days)
    _by_month("推定放假 · Estimated days off", newest.estimated_days_off)
    for pause in newest.breaks:
        click.echo(f"学校假期 · Break: {pause.name} {pause.first} … {pause.last}")
    if newest.warns_on(newest.local_date(today)):
        click.echo(
            f"日历只到 {newest.known_until}，此后的期限为暂定。请载入新一年的安排。 / "
            f"The calendar ends on {newest.known_until}; deadlines after it are provisional. Load the next year.",
            err=True,
        )
    if moving:
        _say_what_moves(moving, data, organisation)


def _say_what_moves(moving: int, data: Path | None, organisation: str | None) -> None:
    """How many running deadlines, or their reminders, were worked out by other days than the newest calendar's, and how they are
    moved.
    """
    where = (f" --data {data}" if data else "") + (f" --organisation {organisation}" if organisation else "")
    if not moving:
        click.echo("没有正在计的期限因此变动，提醒也不变 · No running deadline would move by it, nor its reminders")
        return
    click.echo(
        f"按最新日历，期限或其提醒会变动的事项（目前都没有动，请先看是哪些，再调整）：{moving} 项 · "
        "Cases whose deadline or its reminders would move by the newest calendar, and none has yet; "
        f"look which, then move them: {moving}"
    )
    click.echo(f"  bihuan calendar recompute --dry-run{where}")
    click.echo(f"  bihuan calendar recompute{where}")


def _by_month(what: str, days: Collection[date]) -> None:
    if days:
        click.echo(what)
    for (year, month), inside in groupby(sorted(days), key=lambda day: (day.year, day.month)):
        click.echo(f"  {year}-{month:02}: {', '.join(str(day.day) for day in inside)}")


@calendar.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@organisation_option
def load(file: Path, data: Path | None, organisation: str | None) -> None:
    """Take a holiday notice in: FILE (.yaml or .json) holds for the days it knows, everything else stays as it was.

    It becomes the next version. No deadline or reminder moves until `calendar recompute`: it is said how many would. An example, the year 2027:

    \b
      known_from: 2027-01-01
      known_until: 2027-12-31
      days_off: [2027-01-01, 2027-02-05, 2027-02-06]
      working_weekend_days: [2027-01-31]
      breaks: [{name: 寒假, first: 2027-01-23, last: 2027-02-21}]
    """
    from api import calendars as keeping
    from engine.calendar import CalendarFault
    from engine.handle import recompute_preview

    said = _read(file)
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        try:
            newest, loaded = keeping.load(runtime.database, here, said, runtime.clock.now())
        except CalendarFault as error:
            raise FolderError(
                Text(
                    f"日历文件 {file} 不能使用（格式见 bihuan calendar load --help）：{error.text.zh}{error.remedy.zh}。",
                    f"The calendar file {file} cannot be used (its form: bihuan calendar load --help): {error.text.en} {error.remedy.en}.",
                )
            ) from error
        moving = len(recompute_preview(runtime.engine, here))
    click.echo(f"calendar v{loaded.version}: {loaded.known_from} … {loaded.known_until}")
    if newest is not None:
        if (newest.known_from, newest.known_until) != (loaded.known_from, loaded.known_until):
            click.echo(
                f"  已知范围 · known range: {newest.known_from} … {newest.known_until} → {loaded.known_from} … {loaded.known_until}"
            )
        _say_what_differs(newest.days_off, loaded.days_off, "放假 · days off")
        _say_what_differs(newest.working_weekend_days, loaded.working_weekend_days, "补班 · worked weekend days")
        before, after = ({f"{p.name} {p.first}…{p.last}" for p in c.breaks} for c in (newest, loaded))
        _say_what_differs(before, after, "学校假期 · breaks")
    _say_what_moves(moving, data, organisation)


def _say_what_differs(before: Collection[object], after: Collection[object], what: str) -> None:
    for sign, items in (("+", set(after) - set(before)), ("−", set(before) - set(after))):
        if items:
            click.echo(f"  {sign} {what}: {', '.join(sorted(map(str, items)))}")


def _read(file: Path) -> dict[str, Any]:
    """What the file says, dates as text whichever way it spells them."""
    import yaml

    try:
        said = json.loads(json.dumps(yaml.safe_load(file.read_text(encoding="utf-8")), default=str))
    except (OSError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        # where in the file, as far as the reader knows; its own English words would tell a Chinese reader nothing
        mark = getattr(error, "problem_mark", None)
        zh, en = (f"第 {mark.line + 1} 行", f" in line {mark.line + 1}") if mark is not None else ("", "")
        raise FolderError(
            Text(
                f"日历文件 {file} {zh}无法读取。它应为 UTF-8 编码的 YAML 或 JSON，样例见 bihuan calendar load --help。",
                f"The calendar file {file} cannot be read{en}. It has to be YAML or JSON in UTF-8; "
                "an example: bihuan calendar load --help.",
            )
        ) from error
    if not isinstance(said, dict):
        raise FolderError(Text(f"日历文件 {file} 不是键值对照。", f"The calendar file {file} is not a mapping."))
    return said


def _move(line: dict[str, Any]) -> str:
    before, after = (f"{at:%Y-%m-%d %H:%M}" if at else "—" for at in (line["before"], line["after"]))
    firmness = "  变为暂定 · becomes provisional" if line["provisional"] else "  变为确定 · becomes firm"
    reminders = "  提醒改期 · its reminders move" if before == after else ""
    changed = firmness if line["provisional"] != line["was_provisional"] else reminders
    return f"{before} → {after}{changed}" if before != after else f"{before}{changed}"


@calendar.command()
@click.option("--dry-run", is_flag=True, help="Only name the cases and both dates.")
@data_option
@organisation_option
@json_option
def recompute(dry_run: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Work the open deadlines and their reminders out again under the newest calendar, each with an event."""
    from api import calendars as keeping
    from engine.handle import handle, recompute_preview
    from engine.store import people

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        if not dry_run:
            runtime.tick()  # what fell due under the old deadlines is told before they move
        moves = recompute_preview(runtime.engine, here)
        with runtime.database.read(here) as connection:
            zone = people.time_zone(connection, here)
        moved = failed = 0
        if not dry_run:
            with click.progressbar(length=len(moves), label="重新计算 · Recomputing", file=sys.stderr) as bar:
                moved, failed = keeping.recompute(runtime, here, partial(handle, runtime.engine), bar.update)
    lines = [
        {
            "case": before.number, "title": before.title, "before": before.due_at and before.due_at.astimezone(zone),
            "after": after.due_at and after.due_at.astimezone(zone),
            "was_provisional": bool(before.clock and before.clock.provisional),
            "provisional": bool(after.clock and after.clock.provisional),
        }
        for before, after in moves
    ]  # fmt: skip
    if as_json:
        print_json({"dry_run": dry_run, "moved": moved, "failed": failed, "cases": lines})
    else:
        for line in lines:
            click.echo(f"{line['case']}  {_move(line)}  {line['title']}")
        if dry_run:
            click.echo(f"将调整 {len(lines)} 项 · {len(lines)} would move")
        else:
            click.echo(f"已调整 {moved} 项 · {moved} moved")
    if failed:
        raise click.exceptions.Exit(1)
