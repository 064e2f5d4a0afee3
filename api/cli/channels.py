"""`bihuan channel`: set up by what messages leave, try it out, see how it does. Secrets are asked for, or read; never an argument."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:  # only for the reader: `--help` must not wait for the database's imports
    from api.bootstrap import Runtime
    from api.channels import Keeper, Seen
    from notifications.channels.forms import Form

FAILED = 1  # exit code where a test message was not taken


@contextmanager
def _keeping(data: Path | None, organisation: str | None) -> "Iterator[tuple[Runtime, Keeper]]":
    from api.channels import Keeper
    from engine.actor import system

    with opened(data) as runtime:
        yield runtime, Keeper.of(runtime, system(the_organisation(runtime, organisation)))


@click.group()
def channel() -> None:
    """By what messages leave: robots of groups, e-mail, text messages, webhooks."""


@channel.command("list")
@data_option
@organisation_option
@json_option
def list_(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """What is set up, in use or not, and how each does."""
    from api import channels

    with _keeping(data, organisation) as (runtime, keeper), runtime.database.read(keeper.organisation) as connection:
        found = channels.all_of(connection, keeper)
    if as_json:
        print_json([_told(seen, keeper) for seen in found])
        return
    if not found:
        click.echo("没有。有哪些类型：bihuan channel kinds · none. What there is: bihuan channel kinds")
        return
    click.echo("名称 name  类型 kind  部门 department  状态 state  自 since  暂停至 left until  最近答复 last answer")
    for seen in found:
        click.echo(_line(seen))


def _line(seen: "Seen") -> str:
    from api.conditions import IN_WORDS
    from notifications.answers import in_both

    set_up, state = seen.set_up, seen.state
    words = IN_WORDS[seen.condition]
    said = [
        set_up.id, set_up.kind, set_up.department or "-", f"{words.zh} · {words.en}",
        f"{state.since:%Y-%m-%d %H:%M}Z" if state.since else "-",
        f"{state.paused_until:%Y-%m-%d %H:%M}Z" if state.paused_until and seen.condition in ("down", "left_alone") else "-",
        in_both(state.answer or "") if state.failures else "",
    ]  # fmt: skip
    return "  ".join(said).rstrip()


@channel.command()
@click.argument("kind", required=False)
@json_option
@data_option
def kinds(kind: str | None, as_json: bool, data: Path | None) -> None:
    """What can be set up; with KIND, what has to be given for it."""
    from api import channels
    from api.routes.channels import kind_answer

    with opened(data) as runtime:
        found = channels.kinds_of(runtime.kinds)
    if kind is not None and kind not in {each.name for each in found}:
        listed = ", ".join(each.name for each in found)
        raise FolderError(
            Text(
                f"没有渠道类型“{kind}”；可用：{listed}。", f"There is no kind of channel {kind!r}; there are {listed}."
            )
        )
    found = [each for each in found if kind in (None, each.name)]
    if as_json:
        print_json([kind_answer(each, "zh").model_dump() for each in found])
        return
    for each in found:
        limit = f"  {each.limit.count}/{each.limit.per.total_seconds():.0f}s" if each.limit else ""
        click.echo(f"{each.name}  {each.title.zh} · {each.title.en}{limit}")
        form = channels.form_of(each)
        if kind is not None and form is not None:
            for name, label, needed, secret in channels.fields_of(form):
                how = "--secret" if secret else "--field"
                mark = "必填 needed" if needed else "可选 optional"
                click.echo(f"  {how} {name}  {mark}  {label.zh} · {label.en}")


@channel.command("set")
@click.argument("kind")
@click.argument("name")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting; NAME=@FILE reads it, NAME= takes it away.",
)
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME",
    help="A secret: asked for without showing it, or read with --secrets-stdin or from the environment.",
)  # fmt: skip
@click.option(
    "--secrets-stdin", is_flag=True, help="Read the secrets from standard input: a line each, in the order of --secret."
)
@click.option("--title", help="What people call it.")
@click.option("--department", help="Whose group a robot serves, by its code; empty for the whole school.")
@click.option("--daily-list/--no-daily-list", default=None, help="Whether the group gets its list of the day.")
@click.option("--direct/--no-direct", default=None, help="Whether what is direct for its people goes there too.")
@data_option
@organisation_option
@json_option
def set_(
    kind: str, name: str, fields: tuple[str, ...], secrets: tuple[str, ...], secrets_stdin: bool, title: str | None,
    department: str | None, daily_list: bool | None, direct: bool | None, data: Path | None, organisation: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Set the channel NAME of this KIND up, or change what is said and leave the rest.

    Secrets are never arguments, which everybody on the machine can read. `--secret key` asks for it; where nobody can be
    asked, it is read from BIHUAN_SECRET_KEY, or with --secrets-stdin from standard input.
    """
    from api import channels
    from api.channels import UNSAID, Change

    with _keeping(data, organisation) as (runtime, keeper):
        form = channels.form_of(runtime.kinds.get(kind))
        settings = dict(map(_setting, fields))
        if form is not None:
            settings = {field: _value(form, field, said) for field, said in settings.items()}
            if odd := sorted(set(settings) & form.secret_fields()):
                raise click.UsageError(f"{odd[0]} is a secret: it is no argument. Say --secret {odd[0]}.")
        told = _secrets(form, secrets, stdin=secrets_stdin)
        seen = channels.set_up(
            keeper,
            name,
            Change(
                kind=kind, settings=settings, secrets=told,
                title=UNSAID if title is None else title,
                department=UNSAID if department is None else (department or None),
                daily_list=UNSAID if daily_list is None else daily_list,
                direct=UNSAID if direct is None else direct,
            ),
        )  # fmt: skip
    _say(f"已保存 {name}。请试发：bihuan channel test {name} · saved; try it out", seen, keeper, as_json=as_json)


def _setting(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{said!r} has to be NAME=VALUE", param_hint="--field")
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"{value[1:]} cannot be read: {error}", param_hint="--field") from error
    return name, value


def _value(form: "type[Form]", name: str, said: str) -> Any:
    """Text as it is; what the form wants as a list, an object, a number or yes or no is read as JSON where it can be."""
    import json

    if said == "":
        return None
    field = form.model_fields.get(name)
    if field is None or field.annotation in (str, str | None):
        return said
    try:
        return json.loads(said)
    except ValueError:
        return said


def _secrets(form: "type[Form] | None", names: Sequence[str], *, stdin: bool) -> dict[str, str]:
    told = {}
    for name in names:
        if stdin:
            line = sys.stdin.readline()
            if not line:
                raise click.UsageError(f"标准输入中没有 {name} · standard input ended before {name}")
            told[name] = line.rstrip("\r\n")
        elif (variable := f"BIHUAN_SECRET_{name.upper()}") in os.environ:
            told[name] = os.environ[variable]
        elif sys.stdin.isatty():
            label = _label(form, name)
            told[name] = click.prompt(f"{label.zh} · {label.en}", hide_input=True, err=True)
        else:
            raise click.UsageError(
                f"无法询问 {name}：请设 {variable} 或用 --secrets-stdin · cannot ask for {name}: set {variable} or use --secrets-stdin"
            )
    return told


def _label(form: "type[Form] | None", name: str) -> Text:
    from api import channels

    called = {field: label for field, label, _, _ in channels.fields_of(form)} if form else {}
    return called.get(name, Text(name, name))


@channel.command()
@click.argument("name")
@click.option(
    "--to", "person", metavar="PERSON", help="To whom, where the channel serves people: a key of the directory."
)
@data_option
@organisation_option
@json_option
def test(name: str, person: str | None, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Send a real message by NAME now, and say what came back. Exit code 1 where it was not taken."""
    from api import channels
    from api.routes.channels import test_answer
    from notifications.answers import in_both

    with _keeping(data, organisation) as (runtime, keeper):
        tested = channels.try_out(runtime, keeper, name, person)
    if as_json:
        chinese, english = test_answer(tested, "zh"), test_answer(tested, "en")
        print_json({**chinese.model_dump(), "answer": tested.answer, "next": {"zh": chinese.next, "en": english.next}})
    else:
        mark = {"taken": "✓", "again": "…", "slow_down": "…", "give_up": "✗"}[tested.sort]
        wait = f"  {int(tested.retry_after.total_seconds())} s" if tested.retry_after else ""
        click.echo(f"{mark} {tested.sort}{wait}  {in_both(tested.answer)}\n  → {tested.next.zh} / {tested.next.en}")
    if tested.sort != "taken":
        raise click.exceptions.Exit(FAILED)


@channel.command()
@click.argument("name")
@data_option
@organisation_option
@json_option
def on(name: str, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Use NAME again."""
    _switch(name, data, organisation, enabled=True, as_json=as_json)


@channel.command()
@click.argument("name")
@data_option
@organisation_option
@json_option
def off(name: str, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Use NAME no more; what waits for it goes by another way."""
    _switch(name, data, organisation, enabled=False, as_json=as_json)


def _switch(name: str, data: Path | None, organisation: str | None, *, enabled: bool, as_json: bool) -> None:
    from api import channels
    from api.channels import Change

    with _keeping(data, organisation) as (runtime, keeper):
        with runtime.database.read(keeper.organisation) as connection:
            channels.must_be_own(connection, keeper, name)
        seen = channels.set_up(keeper, name, Change(enabled=enabled))
    said = f"已启用 {name} · in use" if enabled else f"已停用 {name} · switched off"
    _say(said, seen, keeper, as_json=as_json)


@channel.command()
@click.argument("name")
@data_option
@organisation_option
@json_option
def remove(name: str, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Take NAME away with its secrets; what waits for it goes by another way."""
    from api import channels

    with _keeping(data, organisation) as (_, keeper):
        moved = channels.remove(keeper, name)
    if as_json:
        print_json({"removed": name, "addressed_anew": moved})
    else:
        click.echo(f"已移除 {name}，{moved} 条改走其他渠道 · removed; {moved} go by another way")


def _told(seen: "Seen", keeper: "Keeper") -> Mapping[str, Any]:
    from api.routes.channels import channel_answer

    return channel_answer(seen, keeper, "zh").model_dump()


def _say(sentence: str, seen: "Seen", keeper: "Keeper", *, as_json: bool) -> None:
    if as_json:
        print_json(_told(seen, keeper))
    else:
        click.echo(sentence)
