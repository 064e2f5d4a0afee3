"""`bihuan audit query`: events and refusals by whatever they are asked by, counted, as files; and cases as they were known."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from api.cli.writing import written_whole
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from api.bootstrap import Runtime
    from api.papers.listing import Format
    from api.trail import Reader, Taken
    from engine.store.questions import Asked, Dimension
    from engine.store.worklists import Filter

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
DIMENSIONS = (
    "day", "month", "actor", "on_behalf_of", "action", "type", "case", "department", "workflow", "outcome",
)  # fmt: skip
TYPES = ("opened", "stepped", "signed", "reminded", "linked", "recomputed", "noted")
ENDINGS = (".csv", ".jsonl", ".xlsx")
#: of cases as they were known, and of nothing else
OF_CASES = ("state", "counts_as", "level", "category", "assignee", "overdue", "q")
#: of events, and of nothing else
OF_EVENTS = ("since", "before", "person", "actor", "on_behalf_of", "action", "type", "case", "outcome", "by")


@click.command()
@click.option("--from", "since", metavar="TIME", help="Recorded at or after: a day, or an instant with its offset.")
@click.option("--to", "before", metavar="TIME", help="Recorded before this instant; up to the end of a day.")
@click.option("--person", help="What he did and what was done in his name.")
@click.option("--actor", help="What he did.")
@click.option("--on-behalf-of", help="What was done in his name.")
@click.option("--action", help="The step, as `fix` or `open`.")
@click.option("--type", "type", type=click.Choice(TYPES), help="The type of event.")
@click.option("--case", help="A case's number; `logbook` for what was done with the records.")
@click.option("--department", help="The case's department, by its code.")
@click.option("--workflow", help="The loop.")
@click.option("--outcome", type=click.Choice(["accepted", "refused"]), help="Carried out, or refused.")
@click.option("--count-by", "by", multiple=True, type=click.Choice(DIMENSIONS), help="Count them; may be given twice.")
@click.option("--as-of", metavar="TIME", help="Cases as they were known then instead of events; a day means its end.")
@click.option("--state", help="With --as-of.")
@click.option("--counts-as", help="With --as-of: reported, assigned, fixed, verified or closed.")
@click.option("--level", help="With --as-of.")
@click.option("--category", help="With --as-of; a category means its sub-categories too.")
@click.option("--assignee", help="With --as-of.")
@click.option("--overdue/--not-overdue", default=None, help="With --as-of.")
@click.option("-q", help="With --as-of: words to look for.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Lines to show.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="FILE.csv, .jsonl or .xlsx: all of it; noted.",
)
@data_option
@organisation_option
@json_option
def query(
    as_of: str | None,
    by: tuple["Dimension", ...],
    limit: int,
    output: Path | None,
    data: Path | None,
    organisation: str | None,
    as_json: bool,  # as click gives it
    **said: Any,
) -> None:
    """Ask the trail (审计查询): events and refusals, newest first; with --as-of the cases as they were known then."""
    from api.trail import Reader, take_cases, take_events
    from engine.store import people

    _must_fit(said, by, as_of, output)
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        reader = Reader.system(here, runtime.engine.catalog)
        with runtime.database.read(here) as connection:
            zone = people.time_zone(connection, here)
        if as_of is not None:
            at = _as_of(as_of, zone, runtime.clock.now())
            wanted = _filter(said, runtime)
            if output is not None:
                _write(output, take_cases(runtime, reader, wanted, at, seconds=None))
            else:
                _show_cases(runtime, reader, wanted, at, limit, as_json=as_json)
            return
        asked = _asked(said, zone, runtime)
        if by:
            _show_counts(runtime, reader, asked, by, limit, as_json=as_json)
        elif output is not None:
            _write(output, take_events(runtime, reader, asked, seconds=None))
        else:
            _show_events(runtime, reader, asked, limit, as_json=as_json)


def _must_fit(said: dict[str, Any], by: Sequence[str], as_of: str | None, output: Path | None) -> None:
    """Raises UsageError for what does not go together: left out, it would answer another question than was asked."""
    given = {name for name, value in {**said, "by": by or None}.items() if value is not None}
    strange = sorted(given.intersection(OF_EVENTS if as_of is not None else OF_CASES))
    if strange:
        what = "without" if as_of is not None else "with"
        raise click.UsageError(f"{', '.join(strange)}: only {what} --as-of")
    if len(by) > 2 or len(set(by)) < len(by) or {"day", "month"} <= set(by):
        raise click.BadParameter("two different things at most; day and month count as one", param_hint="--count-by")
    if output is not None and (by or output.suffix not in ENDINGS):
        raise click.BadParameter(f"a list as a file ending in {', '.join(ENDINGS)}", param_hint="-o")


def _instant(said: str, zone: "ZoneInfo", name: str, *, end: bool) -> datetime:
    """An instant, or the beginning or the end of a day by the wall clock of the organisation."""
    with suppress(ValueError, OverflowError):
        if DAY.fullmatch(said):
            day = date.fromisoformat(said) + timedelta(days=int(end))
            return datetime.combine(day, time(), zone).astimezone(UTC)
        instant = datetime.fromisoformat(said)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    raise click.BadParameter(
        f"{said!r} is neither a day such as 2020-01-17 nor an instant such as 2020-01-17T08:00:00+08:00",
        param_hint=name,
    )


def _as_of(said: str, zone: "ZoneInfo", now: datetime) -> datetime:
    at = _instant(said, zone, "--as-of", end=True)
    if DAY.fullmatch(said):
        at -= timedelta(microseconds=1)
    if at > now:
        raise FolderError(
            Text(
                f"{said} 还没有到（或还没有过完）：现在是 {now.astimezone(zone):%Y-%m-%d %H:%M}。",
                f"{said} has not come yet, or is not over: it is {now.astimezone(zone):%Y-%m-%d %H:%M}.",
            )
        )
    return at


def _filter(said: dict[str, Any], runtime: "Runtime") -> "Filter":
    from engine.case import FIVE_STATES
    from engine.store.worklists import Filter
    from workflows.reference import levels

    loops = runtime.engine.catalog.newest()
    _one_of("--workflow", said["workflow"], [loop.key for loop in loops])
    _one_of("--state", said["state"], sorted({state.name for loop in loops for state in loop.states}))
    _one_of("--counts-as", said["counts_as"], FIVE_STATES)
    _one_of("--level", said["level"], list(levels()))
    names = (*OF_CASES, "department", "workflow")
    return replace(Filter(), **{name: said[name] for name in names})


def _one_of(name: str, said: str | None, known: Sequence[str]) -> None:
    """A misspelt word would show nothing, and nothing looks like good news."""
    if said is not None and said not in known:
        raise click.BadParameter(f"{said!r}: has to be one of {', '.join(known)}", param_hint=name)


def _asked(said: dict[str, Any], zone: "ZoneInfo", runtime: "Runtime") -> "Asked":
    from api.trail import principal_of
    from engine.store.questions import Asked

    _one_of("--workflow", said["workflow"], [loop.key for loop in runtime.engine.catalog.newest()])
    since = None if said["since"] is None else _instant(said["since"], zone, "--from", end=False)
    before = None if said["before"] is None else _instant(said["before"], zone, "--to", end=True)
    if since is not None and before is not None and since >= before:
        raise click.BadParameter("has to be earlier than --to", param_hint="--from")
    return Asked(
        since=since, before=before,
        person=principal_of(said["person"]), actor=principal_of(said["actor"]),
        on_behalf_of=principal_of(said["on_behalf_of"]),
        **{name: said[name] for name in ("action", "type", "case", "department", "workflow", "outcome")},
    )  # fmt: skip


# --- answers ---------------------------------------------------------------------------------------------------------


def _show_events(runtime: "Runtime", reader: "Reader", asked: "Asked", limit: int, *, as_json: bool) -> None:
    from api.trail import Words, brought_up_to_date, on_the_wall
    from engine.store import people, questions

    here = reader.actor.organisation
    _say_what_is_missing(brought_up_to_date(runtime, here, seconds=None))
    with runtime.database.read(here) as connection:
        zone = people.time_zone(connection, here)
        found, more = questions.page(connection, reader.eyes, asked, limit=limit)
        entries = Words(runtime.engine.catalog, reader).entries(connection, found)
    if as_json:
        print_json({"items": [entry.model_dump(mode="json") for entry in entries], "more": more is not None})
        return
    for entry in entries:
        refused = f"  未办理 refused: {entry.code}" if entry.outcome == "refused" else ""
        at = on_the_wall(entry.at, zone)  # as --from and --to mean a day; what --json prints is for scripts
        click.echo(f"{at}  {entry.case or '-'}  {entry.title} ({entry.action})  {entry.by}{refused}")
    if more is not None:
        click.echo("…")


def _show_counts(
    runtime: "Runtime", reader: "Reader", asked: "Asked", by: Sequence["Dimension"], limit: int, *, as_json: bool
) -> None:
    from api.trail import brought_up_to_date
    from engine.store import people, questions

    here = reader.actor.organisation
    _say_what_is_missing(brought_up_to_date(runtime, here, seconds=None))
    with runtime.database.read(here) as connection:
        counted = questions.counts(connection, reader.eyes, asked, by, people.time_zone(connection, here))
    items = questions.greatest(counted, limit)
    if as_json:
        lines = [{"of": list(of), "count": count} for of, count in items]
        print_json({"by": list(by), "items": lines, "total": counted.total(), "more": len(counted) > limit})
        return
    for of, count in items:
        click.echo(f"{count:>9}  {'  '.join(value or '-' for value in of)}")
    click.echo(f"{counted.total():>9}")


def _show_cases(
    runtime: "Runtime", reader: "Reader", wanted: "Filter", at: datetime, limit: int, *, as_json: bool
) -> None:
    from api.trail import brought_up_to_date, cases_at
    from engine.store import known

    here = reader.actor.organisation
    _say_what_is_missing(brought_up_to_date(runtime, here, seconds=None))
    with runtime.database.read(here) as connection:
        page = known.page(connection, reader.seen, wanted, at, limit=limit)
    items = cases_at(runtime.engine.catalog, page.cases, at, reader.locale)
    if as_json:
        more = page.next_after is not None
        print_json({"as_of": at, "items": [item.model_dump(mode="json") for item in items], "more": more})
        return
    for item in items:
        overdue = "  逾期 overdue" if item.overdue else ""
        click.echo(f"{item.number}  {item.state_title}  {item.department or '-'}  {item.title}{overdue}")
    if page.next_after is not None:
        click.echo("…")


def _write(output: Path, taken: "Taken") -> None:
    from api.papers.listing import lines, write_book

    form: Format = output.suffix.removeprefix(".")  # type: ignore[assignment]  # `_must_fit` saw to it
    with written_whole(output) as file:
        if form == "xlsx":
            write_book(file, taken.what, taken.columns, taken.pages)
        else:
            file.writelines(lines(form, taken.columns, taken.pages))
    _say_what_is_missing(taken.unnumbered)
    click.echo(f"{output}: {taken.rows}")


def _say_what_is_missing(unnumbered: int) -> None:
    if unnumbered:
        click.echo(
            f"另有 {unnumbered} 条记录尚未编号，不在结果中（磁盘已满，或有记录无法读取：请看日志并运行 bihuan audit verify） · "
            f"{unnumbered} events have no number yet and are not in the answer: a full disk, a row that cannot be read (see the "
            "log, and run `bihuan audit verify`), or too many at once, as just after an upgrade",
            err=True,
        )
