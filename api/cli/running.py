"""Running a process: demo, serve, work, tick; and bringing the database up to date."""

import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import data_option, json_option, opened, print_json, settings_of
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.bootstrap import Runtime
    from api.folder import Folder
    from api.settings import Settings

PERMILLE = 1000  # the progress bar's steps


@click.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="A new folder; default a fresh one.")
@click.option("--serve/--no-serve", default=True, help="Serve the result afterwards, or only play.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on.")
@json_option
def demo(data: Path | None, serve: bool, port: int | None, as_json: bool) -> None:
    """Replay a real school's campaign on a simulated clock, then serve the result."""
    from api import logs
    from api.demo import play, trying

    settings = settings_of(port=port)
    if serve:
        from api.server import port_must_be_free

        port_must_be_free(settings)  # told now, not after the replay
    place = (data if data is not None else Path(tempfile.mkdtemp(prefix="bihuan-demo-"))).expanduser().absolute()
    settings = settings.model_copy(update={"data": place})
    if settings.log_level == "info":
        logs.configure("warning", settings.log_format)  # four months of ticks would bury the progress bar
    with click.progressbar(length=PERMILLE, label="重演 · Replaying", file=sys.stderr) as bar:
        report = play(settings, lambda part: bar.update(max(0, round(part * PERMILLE) - bar.pos)))
    logs.configure(settings.log_level, settings.log_format)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(f"数据目录 · Data folder: {place}")
    if not serve:
        return

    def tell(address: str) -> None:
        path = trying.write(place, address, report.tokens)
        click.echo("在浏览器中打开 · Open in a browser:")
        click.echo(f"  {address}/sign-in   {' '.join(trying.AT_THE_PAGES)}")
        click.echo(f"  密码 · password: {report.password}")
        click.echo("试一试，在另一个终端 · Try it, in another terminal:")
        click.echo(f"  . {path}")
        for asked in ("worklist", "hazards?overdue=true", "periods?key=2020-02", "workflows/hazard"):
            click.echo(f'  curl -H "Authorization: Bearer $SAFETY" "$BIHUAN_API/{asked}"')
        click.echo("令牌 · Tokens:")
        for variable, person in trying.POSTS.items():
            click.echo(f"  {variable:<17} {person:<13} {report.tokens[person]}")

    try:
        _serve(settings, tell)
    except FolderError as error:
        go_on = f"bihuan serve --data {shlex.quote(str(place))} --port PORT"
        raise FolderError(
            Text(
                f"{error.text.zh}重演已完成，数据已保存，可用 {go_on} 继续。",
                f"{error.text.en} The replay is done and kept; go on with: {go_on}",
            )
        ) from error


@click.command()
@data_option
@click.option("--host", help="Address to listen on; default BIHUAN_HOST or 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; default BIHUAN_PORT or 8000.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Serving processes.")
@click.option("--new", is_flag=True, help="Make the data folder if there is none: its school is set up in a browser.")
def serve(data: Path | None, host: str | None, port: int | None, workers: int, new: bool) -> None:
    """Serve the data folder over HTTP, tick and deliver, until stopped."""
    settings = settings_of(data=data, host=host, port=port)
    if new:
        from api.bootstrap import make_folder
        from api.folder import Folder

        folder = Folder(settings.data)
        if not folder.made:
            make_folder(folder, settings)
    if workers > 1 and not settings.on_server:
        raise FolderError(
            Text(
                "SQLite 数据库只能由一个服务进程使用，--workers 不能大于 1。",
                "A SQLite database is served by one process: --workers cannot be above 1.",
            )
        )
    _serve(settings, workers=workers)


@click.command()
@data_option
def work(data: Path | None) -> None:
    """Tick and deliver in a process of its own, beside those that serve. Not on SQLite."""
    from api.folder import Folder
    from api.server import work as work_on

    settings = settings_of(data=data)
    if not settings.on_server:
        raise FolderError(
            Text(
                "SQLite 数据库由 bihuan serve 自己计时和投递，不需要也不能另开工作进程。",
                "On a SQLite database `bihuan serve` ticks and delivers itself; there can be no worker beside it.",
            )
        )
    Folder(settings.data).must_be_made()
    try:
        work_on(
            settings,
            console=sys.stderr if settings.console else None,
            started=lambda runtime: click.echo(f"正在计时和投递 · Ticking and delivering for {runtime.folder.path}"),
        )
    except KeyboardInterrupt:
        click.echo("已停止 · Stopped")


@click.command()
@data_option
@json_option
def tick(data: Path | None, as_json: bool) -> None:
    """Open the periods and tell the deadlines that fell due, then send what waits. Harmless twice, also at once."""
    with opened(data) as runtime:
        ticked = runtime.tick()
        sent = runtime.deliver()
    result = {
        "opened": ticked.opened, "reminded": ticked.reminded, "failed": len(ticked.failed),
        "planned": sent.planned, "sent": sent.sent, "again": sent.again, "dead": sent.dead, "held": sent.held,
    }  # fmt: skip
    if as_json:
        print_json(result)
    else:
        click.echo("  ".join(f"{name} {count}" for name, count in result.items()))
    if ticked.failed:
        raise click.exceptions.Exit(1)


@click.group()
def db() -> None:
    """The database's shape."""


@db.command()
@data_option
def upgrade(data: Path | None) -> None:
    """Make the data folder if there is none, and bring its database to the newest revision."""
    from api import migrations
    from api.bootstrap import make_folder
    from api.folder import Folder

    settings = settings_of(data=data)
    folder = Folder(settings.data)
    with _unserved(folder, settings):
        make_folder(folder, settings, simulated=folder.simulated)
    click.echo(f"{folder.path}: {migrations.newest_revision()}")


@db.command()
def roles() -> None:
    """Print the SQL that makes the roles and logins on a PostgreSQL server, for whoever runs it to do once.

    Needed where one login is not to be for everything, or may not make roles. Passwords are set afterwards.
    """
    from api.migrations.walls import ROLES

    click.echo(ROLES, nl=False)


@db.command()
@click.option("--to", "url", required=True, help="An empty database: postgresql://user@host/name.")
@data_option
@json_option
def copy(url: str, data: Path | None, as_json: bool) -> None:
    """Copy everything from the data folder's SQLite database to another one, and compare row by row and hash by hash.

    The folder itself stays: its files and keys go on being used. Set BIHUAN_DATABASE_URL to the new database afterwards.
    """
    from api.bootstrap import database_of
    from api.copying import copy as copy_to
    from api.folder import Folder
    from api.settings import read_settings
    from engine.store.database import Database

    settings = settings_of(data=data)
    if settings.on_server:
        raise FolderError(
            Text(
                "BIHUAN_DATABASE_URL 已指向数据库服务器。本命令从 SQLite 复制：请先取消该设置。",
                "BIHUAN_DATABASE_URL names a server already. This copies from SQLite: take the setting away first.",
            )
        )
    target = read_settings(database_url=url).database_url or ""  # told as a setting would be
    folder = Folder(settings.data)
    folder.must_be_made()
    with folder.served():
        source, other = database_of(folder, settings), Database(target)
        try:
            with click.progressbar(length=PERMILLE, label="复制 · Copying", file=sys.stderr) as bar:
                copied = copy_to(source, other, lambda part: bar.update(max(0, round(part * PERMILLE) - bar.pos)))
        finally:
            source.close()
            other.close()
    if as_json:
        print_json({"rows": dict(copied.rows), "chains": copied.chains})
        return
    rows = sum(copied.rows.values())
    click.echo(
        f"已复制并核对：{rows} 行，{copied.chains} 条记录链 · Copied and compared: {rows} rows, {copied.chains} chains"
    )
    if copied.closed:
        click.echo(
            f"{copied.closed} 个消息渠道的密钥按原样（已加密）复制：请继续使用同一数据目录，或一并带走 keys/channels"
            f" · The secrets of {copied.closed} channels went along closed: go on with this data folder, or take keys/channels along"
        )
    click.echo(
        "请设 BIHUAN_DATABASE_URL 为新数据库后再启动 · Set BIHUAN_DATABASE_URL to the new database, then start again"
    )


def _unserved(folder: "Folder", settings: "Settings") -> AbstractContextManager[None]:
    """The lock of a folder that is there already: its shape may not change under a serving process."""
    return folder.served() if folder.made and not settings.on_server else nullcontext()


def _local_now(runtime: "Runtime") -> str:
    """What the folder's clock shows at its first school; in UTC while there is none."""
    from engine.store import people

    now = runtime.clock.now()
    with runtime.database.read_across() as connection:
        schools = people.organisations(connection)
        if schools:
            now = now.astimezone(people.time_zone(connection, schools[0].organisation))
    return f"{now:%Y-%m-%d %H:%M} {now.tzinfo}"


def _serve(settings: "Settings", tell: Callable[[str], None] | None = None, workers: int = 1) -> None:
    from api import first_visit
    from api.nodes import serve_with
    from api.server import serve as serve_folder

    def started(runtime: "Runtime", address: str) -> None:
        if runtime.simulated:
            now = _local_now(runtime)
            click.echo(
                f"【模拟】此目录由模拟时钟生成，现为 {now}；不会向外发送任何消息。 / "
                f"SIMULATED: it is {now} in this folder; nothing is sent outside."
            )
        if tell is not None:
            tell(address)
        if first_visit.is_open(runtime):
            code = first_visit.code_of(runtime.folder)
            where = f"{runtime.settings.public_url or address}{first_visit.PATH}"
            click.echo(
                f"这里还没有学校。请用浏览器打开此地址，或在设置页输入设置码 {code}： / There is no school here yet. Open this "
                f"address in a browser, or type the setup code there:\n  {where}?{first_visit.PARAMETER}={code}"
            )
        click.echo(f"正在服务 · Serving {runtime.folder.path} on {address}")

    try:
        if workers > 1:
            serve_with(workers, settings, started=started)
        else:
            serve_folder(settings, console=sys.stderr if settings.console else None, started=started)
    except KeyboardInterrupt:
        click.echo("已停止 · Stopped")
