"""`bihuan user`: who holds what, who is away, who sits in a group. Checked, and recorded as done at the folder itself."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:  # only for the reader: `--help` must not wait for the database's imports
    from api.directory import Editor
    from engine.directory import Absence, Group, Rank, Seat
    from engine.errors import Locale

ROLE_SEAT = "role:"  # before a seat's holder that is a role and no person
DAY = click.DateTime(["%Y-%m-%d"])

scope_option = click.option("--scope", default="*", show_default=True, help="A department's code; * for everywhere.")
yes_option = click.option("--yes", is_flag=True, help="Meant, although it opens a dead corner.")


@contextmanager
def _editing(data: Path | None, organisation: str | None, *, confirmed: bool) -> "Iterator[Editor]":
    from api.checking import DeadCorners
    from api.directory import CLI, Editor

    with opened(data) as runtime:
        here, now = the_organisation(runtime, organisation), runtime.clock.now()
        check = DeadCorners(runtime.engine.catalog, here, now)
        yield Editor(runtime.database, here, CLI, now, confirmed=confirmed, check=check, everywhere=True)


def _day(said: datetime | None) -> date | None:
    return said.date() if said is not None else None


def _say(sentence: str, value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(value)
    else:
        click.echo(sentence)


@click.command()
@click.argument("person")
@click.argument("role")
@scope_option
@click.option("--from", "first", type=DAY, help="The first day it holds.")
@click.option("--until", type=DAY, help="The last day it holds; for good if not said.")
@yes_option
@data_option
@organisation_option
@json_option
def grant(
    person: str, role: str, scope: str, first: datetime | None, until: datetime | None, yes: bool, data: Path | None,
    organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Grant ROLE to PERSON; `key@organisation` is somebody of another one."""
    from api import directory
    from engine.actor import Grant

    with _editing(data, organisation, confirmed=yes) as editor:
        directory.grant(editor, person, Grant(role, scope, _day(first), _day(until)))
    told = {"person": person, "role": role, "scope": scope, "valid_from": _day(first), "valid_until": _day(until)}
    _say(f"granted {role} {scope} to {person}", told, as_json=as_json)


@click.command()
@click.argument("person")
@click.argument("role")
@scope_option
@click.option("--last-day", type=DAY, help="The last day it holds; yesterday if not said.")
@yes_option
@data_option
@organisation_option
@json_option
def withdraw(
    person: str, role: str, scope: str, last_day: datetime | None, yes: bool, data: Path | None,
    organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """End PERSON's ROLE; it stays on record."""
    from api import directory

    with _editing(data, organisation, confirmed=yes) as editor:
        ended = directory.withdraw(editor, person, role, scope, _day(last_day))
    told = {"person": person, "role": role, "scope": scope, "valid_until": ended.valid_until}
    _say(f"{person} held {role} {scope} until {ended.valid_until}", told, as_json=as_json)


@click.command()
@click.argument("person")
@click.option("--from", "first", type=DAY, help="The first day; today if not said.")
@click.option("--until", type=DAY, required=True, help="The last day.")
@click.option("--delegate", help="Who acts for PERSON meanwhile.")
@click.option("--duty", "duties", multiple=True, help="A role handed on; all of them if none is said.")
@yes_option
@data_option
@organisation_option
@json_option
def away(
    person: str, first: datetime | None, until: datetime, delegate: str | None, duties: tuple[str, ...], yes: bool,
    data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """PERSON is away, with or without a delegate."""
    from api import directory
    from engine.directory import Absence

    with _editing(data, organisation, confirmed=yes) as editor:
        with editor.reading() as connection:
            first_day = _day(first) or editor.today(connection)
        absence = Absence(secrets.token_hex(16), person, first_day, until.date(), delegate, frozenset(duties))
        directory.leave(editor, absence)
    by = f", {delegate} acts" if delegate else ""
    _say(f"{person} is away from {first_day} to {until.date()}{by}", _told(absence), as_json=as_json)


@click.command()
@click.argument("person")
@click.argument("absence", required=False)
@click.option("--last-day", type=DAY, help="The last day away; yesterday if not said.")
@yes_option
@data_option
@organisation_option
@json_option
def back(
    person: str, absence: str | None, last_day: datetime | None, yes: bool, data: Path | None,
    organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """PERSON is back early. ABSENCE says of which absence, where there are several."""
    from api import directory
    from engine.store import people

    with _editing(data, organisation, confirmed=yes) as editor:
        with editor.reading() as connection:
            today = editor.today(connection)
            mine = [a for a in people.absences(connection, editor.organisation) if a.person == person]
        coming = [a.id for a in mine if today <= a.last_day]
        if absence is None and len(coming) != 1:
            listed = ", ".join(coming)
            raise FolderError(
                Text(
                    f"{person!r} 有 {len(coming)} 次未结束的外出：{listed}。请指明是哪一次。",
                    f"{person!r} has {len(coming)} absences that are not over: {listed}. Say which.",
                )
                if coming
                else Text(f"{person!r} 没有未结束的外出。", f"{person!r} has no absence that is not over.")
            )
        ended = directory.come_back(editor, person, absence or coming[0], _day(last_day))
    _say(f"{person} was away until {ended.last_day}", _told(ended), as_json=as_json)


def _told(absence: "Absence") -> dict[str, Any]:
    return {
        "id": absence.id, "person": absence.person, "first_day": absence.first_day, "last_day": absence.last_day,
        "delegate": absence.delegate, "duties": sorted(absence.duties),
    }  # fmt: skip


@click.command()
@click.argument("accounts", nargs=-1, required=True, metavar="ORG/PERSON ORG/PERSON…")
@yes_option
@data_option
@json_option
def link(accounts: tuple[str, ...], yes: bool, data: Path | None, as_json: bool) -> None:
    """Say that these accounts are one human being's: nobody approves his own work under another name."""
    from api import directory

    named: list[tuple[str, str]] = []
    for account in accounts:
        organisation, slash, person = account.partition("/")
        if not slash:
            raise click.BadParameter(f"{account!r} has to be ORG/PERSON", param_hint="ACCOUNTS")
        named.append((organisation, person))
    with _editing(data, named[0][0], confirmed=yes) as editor:
        directory.link(editor, *named)
    _say(f"linked {', '.join(accounts)}", {"linked": list(accounts)}, as_json=as_json)


@click.command()
@click.argument("code")
@click.option("--chair", "chairs", multiple=True, help="A person's key, or role:NAME for whoever holds that role.")
@click.option("--deputy", "deputies", multiple=True, help="As --chair.")
@click.option("--member", "members", multiple=True, help="As --chair.")
@click.option("--least", type=click.IntRange(1), help="How many it needs to do its work.")
@click.option("--name", "name_zh", help="What it is called, in Chinese.")
@click.option("--name-en", help="What it is called, in English.")
@yes_option
@data_option
@organisation_option
@json_option
def group(
    code: str, chairs: tuple[str, ...], deputies: tuple[str, ...], members: tuple[str, ...], least: int | None,
    name_zh: str | None, name_en: str | None, yes: bool, data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the group CODE, or set it: whoever is named sits in it from now on, and nobody else."""
    from api import directory
    from engine.directory import Group
    from engine.store import people
    from workflows.roles import GROUPS

    ranks: dict[Rank, tuple[str, ...]] = {"chair": chairs, "deputy": deputies, "member": members}
    seats = tuple(_seat(holder, rank) for rank, holders in ranks.items() for holder in holders)
    with _editing(data, organisation, confirmed=yes) as editor:
        with editor.reading() as connection:
            known = next((g for g in people.groups(connection, editor.organisation) if g.code == code), None)
        changing = seats or least is not None or name_zh is not None or name_en is not None
        if changing:
            name = known.name if known else GROUPS.get(code, Text(code, code))
            known = directory.set_group(
                editor,
                Group(
                    code,
                    Text(name_zh or name.zh, name_en or name.en),
                    seats or (known.seats if known else ()),
                    least or (known.least if known else 1),
                ),
            )
    if known is None:
        raise FolderError(Text(f"没有工作组“{code}”。", f"There is no group {code!r}."))
    told = {
        "code": known.code, "name": known.name.to_json(), "least": known.least,
        "seats": [{"kind": s.kind, "holder": s.holder, "rank": s.rank} for s in known.seats],
    }  # fmt: skip
    _say(_in_lines(known), told, as_json=as_json)


def _seat(said: str, rank: "Rank") -> "Seat":
    from engine.directory import Seat

    if said.startswith(ROLE_SEAT):
        return Seat("role", said.removeprefix(ROLE_SEAT), rank)
    return Seat("person", said, rank)


def _in_lines(group: "Group") -> str:
    seats = [f"  {s.rank}  {ROLE_SEAT if s.kind == 'role' else ''}{s.holder}" for s in group.seats]
    return "\n".join([f"{group.code}  {group.name.zh}  at least {group.least}", *seats])


@click.command()
@click.argument("person", metavar="KEY")
@click.option("--name", required=True, help="What colleagues call the person.")
@click.option("--department", help="A department's code.")
@click.option("--post", default="", help="What the person is called by duty; brings no role by itself.")
@click.option("--staff-number", help="One person's alone.")
@yes_option
@data_option
@organisation_option
@json_option
def add(
    person: str, name: str, department: str | None, post: str, staff_number: str | None, yes: bool,
    data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write somebody new down under KEY, which stays for good. Grant roles afterwards."""
    from api import directory
    from engine.directory import Person

    with _editing(data, organisation, confirmed=yes) as editor:
        entry = Person(editor.organisation, person, name, department, staff_number=staff_number, post=post)
        directory.add(editor, entry)
    told = {"person": person, "name": name, "department": department, "post": post, "staff_number": staff_number}
    _say(f"added {person}  {name}", told, as_json=as_json)


@click.command()
@click.argument("person")
@yes_option
@data_option
@organisation_option
@json_option
def deactivate(person: str, yes: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """PERSON left: signs in no more and is asked nothing more. Nobody is ever deleted."""
    _set_active(person, data, organisation, active=False, confirmed=yes, as_json=as_json)


@click.command()
@click.argument("person")
@yes_option
@data_option
@organisation_option
@json_option
def activate(person: str, yes: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """PERSON is here again, with what the directory still holds of roles."""
    _set_active(person, data, organisation, active=True, confirmed=yes, as_json=as_json)


def _set_active(
    person: str, data: Path | None, organisation: str | None, *, active: bool, confirmed: bool, as_json: bool
) -> None:
    from api import directory

    with _editing(data, organisation, confirmed=confirmed) as editor:
        directory.update(editor, person, {"active": active})
    sentence = f"{person} is active" if active else f"{person} is no longer active"
    _say(sentence, {"person": person, "active": active}, as_json=as_json)


@click.command()
@click.argument("code", required=False)
@click.option("--name", "name_zh", help="What it is called, in Chinese.")
@click.option("--name-en", help="What it is called, in English.")
@click.option("--external/--own", default=None, help="A contractor, or the school's own.")
@click.option("--owes-monthly/--owes-nothing", default=None, help="Whether a monthly inspection is due from it.")
@yes_option
@data_option
@organisation_option
@json_option
def department(
    code: str | None, name_zh: str | None, name_en: str | None, external: bool | None, owes_monthly: bool | None,
    yes: bool, data: Path | None, organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """List the departments, or show the department CODE, make it or call it otherwise."""
    from api import directory
    from engine.directory import Department
    from engine.store import people

    with _editing(data, organisation, confirmed=yes) as editor:
        with editor.reading() as connection:
            found = people.departments(connection, editor.organisation)
        if code is not None:
            known = next((d for d in found if d.code == code), None)
            if name_zh or name_en or external is not None or owes_monthly is not None:
                zh = name_zh or (known.name.zh if known else "")
                en = name_en or (known.name.en if known else zh)
                outside = external if external is not None else known is not None and known.external
                told = Department(editor.organisation, code, Text(zh, en), outside)
                known = directory.set_department(editor, told, owes_monthly=owes_monthly)
            if known is None:
                raise FolderError(Text(f"没有部门“{code}”。", f"There is no department {code!r}."))
            found = [known]
    lines = [f"{d.code}  {d.name.zh}{'  external' if d.external else ''}" for d in found]
    rows = [{"code": d.code, "name": d.name.to_json(), "external": d.external} for d in found]
    if code is not None:
        _say(lines[0], rows[0], as_json=as_json)
    else:
        _say("\n".join(lines), {"departments": rows}, as_json=as_json)


@click.command()
@click.argument("person")
@click.option("--channel", help="A kind of channel the organisation lets people choose; `school` for its own order.")
@click.option("--quiet", metavar="21:30-06:30", help="Quiet hours, local; `none` for none.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="The language of messages.")
@data_option
@organisation_option
@json_option
def messages(
    person: str, channel: str | None, quiet: str | None, language: "Locale | None", data: Path | None,
    organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show how PERSON is told of what waits, and when next; or change it within what the organisation allows."""
    from api import preferences
    from api.directory import CLI, Editor
    from api.routes.preferences import messages_answer

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        editor = Editor(runtime.database, here, CLI, runtime.clock.now(), everywhere=True)
        with runtime.database.read(here) as connection:
            found = preferences.reading(runtime, connection, here, person)
        choice = found.choice
        if channel is not None:
            choice = replace(choice, channel=None if channel == "school" else channel)
        if quiet is not None:
            begins, ends = _hours(quiet)
            choice = replace(choice, quiet_from=begins, quiet_until=ends)
        if language is not None:
            choice = replace(choice, language=language)
        if choice != found.choice:
            found = preferences.choose(runtime, editor, person, choice)
    answer = messages_answer(found, "zh").model_dump(mode="json")
    hours = f"{answer['quiet_from']}-{answer['quiet_until']}" if answer["quiet_from"] else "-"
    said = (
        f"{person}  渠道 channel {answer['channel'] or 'school'} → {answer['goes_by'] or 'inbox'}  免打扰 quiet {hours}"
    )
    at = found.next_digest.leaves_at.astimezone(found.situation.zone)
    lines = [
        f"{said}  语言 language {answer['language']}",
        f"下一次每日汇总 · next message of the day: {at:%Y-%m-%d %H:%M}",
    ]
    _say("\n".join(lines), answer, as_json=as_json)


def _hours(said: str) -> tuple[time | None, time | None]:
    if said == "none":
        return None, None
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", said, re.ASCII)
    if found is None:
        raise click.BadParameter(f"{said!r} has to be like 21:30-06:30, or none", param_hint="--quiet")
    one, two, three, four = map(int, found.groups())
    return time(one, two), time(three, four)


@click.group()
def user() -> None:
    """Who is here, who holds what, who is away and who acts for him."""


for command in (grant, withdraw, away, back, link, group, add, deactivate, activate, department, messages):
    user.add_command(command)
