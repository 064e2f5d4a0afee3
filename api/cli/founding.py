"""`bihuan setup`: an organisation from nothing, asked for one by one at a terminal or told by options."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import data_option, json_option, opened, print_json, settings_of
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.founding import Founded

POST = "系统管理员"
ZONE = "Asia/Shanghai"


@click.command()
@click.option("--organisation", "key", help="Its key: a-z, 0-9, '-', '_'. It stays for good.")
@click.option("--name", help="What it is called, in Chinese.")
@click.option("--name-en", help="What it is called, in English; the Chinese name if not said.")
@click.option("--kind", type=click.Choice(["school", "bureau"]), default="school", show_default=True)
@click.option("--parent", help="The key of the bureau above it, set up before.")
@click.option("--over", multiple=True, help="The key of a school this bureau is put above; as often as needed.")
@click.option("--time-zone", default=ZONE, show_default=True)
@click.option(
    "--departments", type=click.Choice(["reference", "none"]), default="none", show_default=True,
    help="The 22 departments of a typical vocational school, or none: then they come with the list of people.",
)  # fmt: skip
@click.option("--administrator", help="The key the first administrator signs in with.")
@click.option("--administrator-name", help="What colleagues call the administrator.")
@click.option("--administrator-post", default=POST, show_default=True, help="The administrator's post.")
@click.option(
    "--administrator-staff-number", help="The staff number, so that the list of people knows the administrator again."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of drawing one.")
@data_option
@json_option
def setup(
    key: str | None, name: str | None, name_en: str | None, kind: str, parent: str | None, over: tuple[str, ...],
    time_zone: str, departments: str, administrator: str | None, administrator_name: str | None,
    administrator_post: str, administrator_staff_number: str | None, password_stdin: bool, data: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Set up a school (or a bureau) with its calendar, working groups and first administrator.

    Makes the data folder where there is none. What is not told by options is asked for at a terminal. Run it again with
    another key to add a second organisation to the folder.
    """
    from api import passwords
    from api.bootstrap import make_folder
    from api.folder import Folder
    from api.founding import Founding, found, must_be_possible
    from api.sealing import key_of
    from engine.directory import Organisation, Person

    asking = sys.stdin.isatty() and not password_stdin
    key = _answer("--organisation", "单位代号（小写字母、数字） · Key of the organisation", key, asking=asking)
    name = _answer("--name", "单位名称 · Its name, in Chinese", name, asking=asking)
    administrator = _answer(
        "--administrator", "管理员账号（小写字母、数字） · The administrator's key", administrator, asking=asking
    )
    administrator_name = _answer(
        "--administrator-name", "管理员姓名 · The administrator's name", administrator_name, asking=asking
    )
    told = _told_password(
        administrator, administrator_name, administrator_staff_number or "", stdin=password_stdin, asking=asking
    )
    drawn = None if told else passwords.drawn()
    founding = Founding(
        Organisation(key, Text(name, name_en or name), time_zone, "bureau" if kind == "bureau" else "school", parent),
        Person(
            key, administrator, administrator_name, staff_number=administrator_staff_number or None,
            post=administrator_post,
        ),
        passwords.hashed(told or drawn or ""),
        must_change=drawn is not None,
        over=over,
        departments=departments == "reference",
    )  # fmt: skip
    settings = settings_of(data=data)
    folder = Folder(settings.data)
    if not folder.made:
        must_be_possible(founding, first=True)
        make_folder(folder, settings)
    with opened(data) as runtime:
        founded = found(runtime.database, founding, runtime.clock.now())
        seal_key = key_of(runtime.engine, runtime.keys, key).key
        where = runtime.folder.path
    if as_json:
        print_json(
            {
                "organisation": key, "kind": kind, "data": where, "administrator": administrator,
                "first_password": drawn, "seal_key": seal_key, "departments": founded.departments, "groups": [g.code for g in founded.groups],
                "calendar": {"known_from": founded.calendar.known_from, "known_until": founded.calendar.known_until},
            }
        )  # fmt: skip
    else:
        _tell(founded, where, drawn, seal_key, "" if data is None else f" --data {shlex.quote(str(data))}")
    if founded.warns:
        click.echo(
            f"日历只到 {founded.calendar.known_until}，此后的期限为暂定。国务院办公厅发布新一年安排后请运行 bihuan calendar load。 / "
            f"The calendar ends on {founded.calendar.known_until}; deadlines after it are provisional. "
            "Load the next year's notice with `bihuan calendar load`.",
            err=True,
        )


def _answer(option: str, question: str, told: str | None, *, asking: bool) -> str:
    """What was told, or is told now. Where nobody can be asked, the option is missing."""
    if told is not None:
        return told.strip()
    if not asking:
        raise click.UsageError(f"缺少选项 · Missing option {option!r}; at a terminal it is asked for.")
    answer: str = click.prompt(question, err=True)
    return answer.strip()


def _told_password(*known: str, stdin: bool, asking: bool) -> str | None:
    """The password the administrator chose; None to draw one."""
    from api import passwords

    if stdin:
        told: str = sys.stdin.readline().rstrip("\r\n")
        if fault := passwords.fault_of(told, *known):
            raise FolderError(
                Text(f"{fault.zh}。没有写入任何内容。", f"{fault.en[0].upper()}{fault.en[1:]}. Nothing was written.")
            )
        return told
    while asking:
        told = click.prompt(
            "管理员密码（留空则由系统生成） · Password (empty to have one drawn)", default="", hide_input=True,
            show_default=False, err=True,
        )  # fmt: skip
        if not told:
            return None
        if fault := passwords.fault_of(told, *known):
            click.echo(f"{fault.zh} · {fault.en}", err=True)
        elif click.prompt("再输入一次 · Once more", default="", hide_input=True, show_default=False, err=True) == told:
            return told
        else:
            click.echo("两次输入不一致 · The two differ", err=True)
    return None


def _tell(founded: "Founded", where: Path, drawn: str | None, seal_key: str, at: str) -> None:
    """What there is now, and the commands that follow; `at` is what each has to be told of the folder."""
    from workflows.roles import ROLES

    here, calendar = founded.organisation, founded.calendar
    click.echo(f"已建立 · Set up: {here.name.zh} ({here.organisation}), {where}")
    click.echo(f"日历 · Calendar: {calendar.known_from} … {calendar.known_until}")
    for group in founded.groups:
        click.echo(f"{group.name.zh}: {'、'.join(ROLES[seat.holder].zh for seat in group.seats)}")
    if founded.departments:
        click.echo(f"部门 · Departments: {founded.departments}")
    click.echo(f"管理员 · Administrator: {founded.administrator}")
    if drawn is not None:
        click.echo(f"首次密码（仅显示这一次，登录后须更改） · First password, shown this once, to be changed: {drawn}")
    click.echo(
        f"签名密钥指纹（请另行留存，供日后核对） · Fingerprint of the key it seals with, to be kept elsewhere: {seal_key}"
    )
    click.echo("下一步 · Next:")
    here_and = at if founded.alone else f"{at} --organisation {here.organisation}"
    following = [
        (f"bihuan export people-template -o people.xlsx{here_and}", "下载人员表模板 · a list to fill in"),
        (f"bihuan import people people.xlsx --dry-run{here_and}", "核对 · see what it would do"),
        (f"bihuan check{here_and}", "有无死角 · is there a dead corner?"),
        (f"bihuan serve{at}", "开始服务 · serve"),
    ]
    widest = max(len(command) for command, _ in following)
    for command, why in following:
        click.echo(f"  {command.ljust(widest)}   {why}")
