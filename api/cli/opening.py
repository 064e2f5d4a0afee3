"""What the commands share: the data folder they work on, the organisation they mean, how they print."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.errors import FolderError, Text

if TYPE_CHECKING:  # only for the reader: importing it takes most of a second, and `--help` must not wait
    from api.bootstrap import Runtime
    from api.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def data_option(command: F) -> F:
    where = click.Path(file_okay=False, path_type=Path)
    return click.option("--data", type=where, help="The data folder; default BIHUAN_DATA or ./bihuan-data.")(command)


def organisation_option(command: F, *also: str) -> F:
    """also   what it may be called besides"""
    return click.option(
        *also, "--organisation", "organisation", help="Which organisation, where the folder holds several."
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")(command)


def passphrase_option(command: F) -> F:
    return click.option(
        "--passphrase-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help="Where the passphrase stands, in its first line; else it is asked for at the terminal.",
    )(command)  # fmt: skip


def settings_of(**given: object) -> "Settings":
    from api import logs
    from api.settings import read_settings, unknown_names

    settings = read_settings(**given)
    if unknown := ", ".join(unknown_names()):
        click.echo(f"没有这样的设置，已忽略 · no such setting, ignored: {unknown}", err=True)
    logs.configure(settings.log_level, settings.log_format)
    return settings


@contextmanager
def opened(data: Path | None) -> "Iterator[Runtime]":
    """A runtime on the data folder for one command; it writes beside a serving process, one transaction at a time."""
    from api.bootstrap import open_runtime

    runtime = open_runtime(settings_of(data=data))
    try:
        yield runtime
    finally:
        runtime.close()


def the_organisation(runtime: "Runtime", wanted: str | None) -> str:
    """The one that is meant. Raises FolderError when there is none, several, or not this one."""
    from engine.store import people

    with runtime.database.read_across() as connection:
        known = [organisation.organisation for organisation in people.organisations(connection)]
    if wanted is not None and wanted in known:
        return wanted
    if wanted is None and len(known) == 1:
        return known[0]
    if not known:
        raise FolderError(
            Text(
                "此数据目录中还没有学校。请用 bihuan setup 建立；bihuan demo 可先看一所示范学校。",
                "There is no school in this data folder yet. Set one up with `bihuan setup`; `bihuan demo` shows one.",
            )
        )
    listed = ", ".join(known)
    raise FolderError(
        Text(
            f"请用 --organisation 指明单位；此数据目录中有：{listed}。",
            f"Say which organisation with --organisation; this data folder holds: {listed}.",
        )
    )


def print_json(value: object) -> None:
    """As JSON, instants as RFC 3339 has them."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_in_json))


def _in_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def read_file(path: Path) -> bytes:
    """What lies in it. Raises FolderError where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FolderError(Text(f"没有文件 {path}。", f"There is no file {path}.")) from None


def passphrase_of(file: Path | None, *, twice: bool) -> str:
    """From the file, or asked for: an argument would stand in the shell's history and in the list of processes."""
    if file is not None:
        try:
            return read_file(file).decode().split("\n", 1)[0].rstrip("\r")
        except UnicodeDecodeError:
            raise FolderError(Text(f"文件 {file} 不是 UTF-8 文本。", f"{file} is no text in UTF-8.")) from None
    if not sys.stdin.isatty():
        raise click.UsageError(
            "缺少选项 · Missing option '--passphrase-file'; at a terminal the passphrase is asked for."
        )
    told: str = click.prompt("口令 · Passphrase", hide_input=True, err=True)
    if twice and click.prompt("再输入一次 · Once more", hide_input=True, err=True) != told:
        raise FolderError(Text("两次输入不一致。没有写入任何内容。", "The two differ. Nothing was written."))
    return told
