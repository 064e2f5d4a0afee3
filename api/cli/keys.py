"""`bihuan keys`: what a data folder closes, signs and draws with, taken elsewhere under a passphrase and brought back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import (
    data_option,
    json_option,
    opened,
    passphrase_of,
    passphrase_option,
    print_json,
    read_file,
    settings_of,
)
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.folder import Folder
    from api.keeping.keyfile import Missing
    from engine.store.database import Database

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def keys() -> None:
    """The keys of the data folder (密钥): which there are, all of them into one file under a passphrase, and back.

    No backup has them. Without them checkpoints are not signed, channels need their secrets again, links sent before open nothing.
    """


@keys.command("list")
@data_option
@json_option
def list_(data: Path | None, as_json: bool) -> None:
    """Which keys lie in the folder; and which do not though something needs them, with what does not work without."""
    from api.keeping.keyfile import keys_in, locked, missing

    with _looking(data) as (folder, database):
        there, gone, closed = keys_in(folder.keys), missing(database, folder.keys), locked(database, folder.keys)
    if as_json:
        print_json({"keys": list(there), "missing": told_missing(gone), "channels_to_set_up_again": closed})
        return
    for name in there:
        click.echo(name)
    tell_missing(gone)
    _tell_locked(closed)


@keys.command("export")
@click.option("-o", "--output", required=True, type=_FILE, help="A file that is not there yet.")
@passphrase_option
@data_option
@json_option
def export(output: Path, passphrase_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Every key of the folder into one file, under a passphrase; noted in each logbook.

    Keep file and passphrase apart from each other and from the backups: whoever has all three can sign in the school's name. Do
    it once, after setting the school up, and again after `bihuan audit seal --new-key`.
    """
    from api.keeping.keyfile import closed, draw, keys_in, missing
    from api.keys import write_whole
    from engine.actor import system
    from engine.handle import note
    from engine.store import people

    with opened(data) as runtime:
        draw(runtime.folder)
        there, gone = keys_in(runtime.folder.keys), missing(runtime.database, runtime.folder.keys)
        if output.exists():
            raise FolderError(
                Text(
                    f"文件 {output} 已存在，不会覆盖。请换一个名字。",
                    f"{output} is there already and stays. Name another file.",
                )
            )
        written = closed(there, passphrase_of(passphrase_file, twice=True))
        with runtime.database.read_across() as connection:
            here = [each.organisation for each in people.organisations(connection)]
        for organisation in here:
            # of each school what is the folder's and what is its own: the others' are none of its business
            names = [name for name in there if not name.startswith("seal/") or name.startswith(f"seal/{organisation}/")]
            note(runtime.engine, system(organisation), "exported", {"what": "keys", "names": names})
        write_whole(output.absolute(), written)
    if as_json:
        print_json({"file": output, "keys": list(there), "missing": told_missing(gone)})
        return
    click.echo(f"已导出 {len(there)} 个密钥到 {output} · Exported {len(there)} keys to {output}")
    for name in there:
        click.echo(f"  {name}")
    tell_missing(gone)


@keys.command("import")
@click.argument("file", type=_FILE)
@click.option(
    "--replace", is_flag=True,
    help="Also where another key of the name was drawn in the folder since: that one is set aside, and what was closed or drawn "
    "with it does not open any more.",
)  # fmt: skip
@passphrase_option
@data_option
@json_option
def import_(file: Path, replace: bool, passphrase_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Bring the keys in FILE back into the folder, all or none. Stop `serve` first.

    Better give them to `bihuan restore --keys FILE`: a folder that is served without its keys draws others.
    """
    from api.keeping.keyfile import different, locked, missing, put
    from api.keeping.keyfile import opened as keys_of
    from engine.clock import SystemClock

    written = read_file(file)
    with _looking(data) as (folder, database), folder.served():
        given = keys_of(written, passphrase_of(passphrase_file, twice=False))
        others = different(folder.keys, given)
        if others and not replace:
            named = ", ".join(others)
            raise FolderError(
                Text(
                    f"目录中已有另外的密钥：{named}。没有导入任何内容。确要改用文件中的，请加 --replace：原有的留在旁边，"
                    "此后设置的消息渠道须重新设置，此后发出的链接失效。",
                    f"Other keys lie in the folder already: {named}. Nothing was imported. To go on with those of the file add "
                    "--replace: those that are there are set aside, secrets of channels that were given since have to be given "
                    "again, and links sent since open nothing.",
                )
            )
        new = put(folder.keys, given, aside=f"replaced-{SystemClock().now():%Y%m%d%H%M%S}")
        gone, closed = missing(database, folder.keys), locked(database, folder.keys)
    if as_json:
        told = {"imported": new, "replaced": others, "missing": told_missing(gone), "channels_to_set_up_again": closed}
        print_json(told)
        return
    click.echo(
        f"已导入 {len(new)} 个密钥，原已在 {len(given) - len(new)} 个 · Imported {len(new)} keys, {len(given) - len(new)} were there"
    )
    for name in new:
        click.echo(f"  {name}")
    tell_missing(gone)
    _tell_locked(closed)


@contextmanager
def _looking(data: Path | None) -> "Iterator[tuple[Folder, Database]]":
    """The folder and its database; opening more than these would draw what is missing."""
    from api import migrations
    from api.bootstrap import database_of
    from api.folder import Folder

    settings = settings_of(data=data)
    folder = Folder(settings.data)
    folder.must_be_made()
    database = database_of(folder, settings)
    try:
        migrations.must_be_newest(database)
        yield folder, database
    finally:
        database.close()


def _tell_locked(channels: Sequence[str]) -> None:
    if channels:
        click.echo(f"密钥打不开、须重新设置的消息渠道 · Channels that need their secrets again: {', '.join(channels)}")


def told_missing(gone: "list[Missing]") -> list[dict[str, object]]:
    return [{"key": each.name, "organisation": each.of, "stops": each.stops.to_json()} for each in gone]


def tell_missing(gone: "list[Missing]") -> None:
    for each in gone:
        click.echo(f"缺少密钥 · Missing key {each.name}: {each.stops.zh} / {each.stops.en}")
