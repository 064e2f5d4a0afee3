"""`bihuan backup` and `bihuan restore`: everything but the keys into one file, and back into an empty place."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import (
    data_option,
    json_option,
    passphrase_of,
    passphrase_option,
    print_json,
    read_file,
    settings_of,
)
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.keeping.manifest import Manifest
    from api.keeping.restoring import Restored

PERMILLE = 1000  # the progress bar's steps
SIZES = ("B", "KB", "MB", "GB", "TB")


@click.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="FILE.zip that is not there yet, or a folder of backups, in which it is named by its date (UTC).",
)
@data_option
@json_option
def backup(output: Path, data: Path | None, as_json: bool) -> None:  # fmt: skip
    """Back everything up while it runs: database and files, read again and compared.

    The keys are not in it: whoever has a backup shall not be able to sign in the school's name. It holds everybody's personal
    data; keep it where only administrators reach it. Exit code 1, with the backup made, if evidence was found missing or damaged.
    """
    from api.bootstrap import database_of
    from api.folder import Folder
    from api.keeping.backup import back_up
    from api.keeping.manifest import as_told
    from engine.clock import SystemClock

    settings = settings_of(data=data)
    folder = Folder(settings.data)
    folder.must_be_made()
    database = database_of(folder, settings)
    try:
        with _bar("备份 · Backing up") as progress:
            made = back_up(
                database, folder, output, SystemClock().now(), programs=settings.postgres_programs, progress=progress
            )
    finally:
        database.close()
    manifest = made.manifest
    if as_json:
        print_json({"file": made.file, "size": made.size, "sha256": made.sha256, "keys": False, **as_told(manifest)})
    else:
        click.echo(f"{made.file}")
        _tell(manifest)
        click.echo(f"大小 · Size: {_size(made.size)}  SHA-256: {made.sha256}")
    click.echo(
        "密钥不在备份中。请用 bihuan keys export 以口令导出，与备份分开保管；没有密钥，恢复后不能签署，消息渠道须重新设置，"
        "已发出的链接失效。 / The keys are not in it. Take them elsewhere under a passphrase by `bihuan keys export`, apart from the "
        "backups: without them nothing is signed after a restore, channels need their secrets again, links that were sent open nothing.",
        err=True,
    )
    if wrong := [*manifest.missing, *manifest.damaged]:
        raise FolderError(
            Text(
                f"备份已生成，但有 {len(wrong)} 个佐证文件缺失或已损坏：{'、'.join(wrong[:3])} …。请从较早的备份找回。",
                f"The backup is made, but {len(wrong)} files of evidence are missing or damaged: {', '.join(wrong[:3])} … "
                "Bring them back from an older backup.",
            )
        )


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--dry-run", is_flag=True, help="Only read the backup, compare it with its contents and say what is in it."
)
@click.option(
    "--checkpoint",
    "held",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Checkpoints that were held outside, one JSON object a line: the records then name what was lost. A last line that "
    "was cut off, as its writer died, is passed over.",
)
@click.option(
    "--keys",
    type=click.Path(exists=True, path_type=Path),
    help="What `bihuan keys export` wrote, or a folder as `keys` of the data folder was: the restore is signed at once. Not where "
    "`keys` lie there.",
)
@passphrase_option
@click.option(
    "--keep-tokens",
    is_flag=True,
    help="Leave API tokens and links to calendars as they were. One withdrawn since would live again.",
)
@data_option
@json_option
def restore(
    file: Path, dry_run: bool, held: Path | None, keys: Path | None, passphrase_file: Path | None, keep_tokens: bool,
    data: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring a backup back into an empty place: all of it, or nothing.

    The data folder (--data) has to be empty or not there; on PostgreSQL also the database that BIHUAN_DATABASE_URL names.
    Each organisation's logbook then says that, and what, was lost, so that `bihuan audit verify` tells the truth.
    """
    from api.bootstrap import database_of
    from api.cli.keys import tell_missing, told_missing
    from api.folder import Folder
    from api.keeping.keyfile import missing
    from api.keeping.keyfile import opened as keys_of
    from api.keeping.manifest import as_told
    from api.keeping.restoring import look_at, read_held
    from api.keeping.restoring import restore as bring_back

    settings = settings_of(data=data)
    folder = Folder(settings.data)
    if dry_run:
        with _bar("核对 · Comparing") as progress:
            manifest = look_at(file, progress)
        if as_json:
            print_json(as_told(manifest))
        else:
            _tell(manifest)
        return
    known = {} if held is None else read_held(held)
    given: Path | Mapping[str, bytes] | None = keys
    if keys is not None and keys.is_file():
        given = keys_of(read_file(keys), passphrase_of(passphrase_file, twice=False))
    with _bar("恢复 · Restoring") as progress:
        manifest, restored = bring_back(
            file, folder, settings, held=known, keys=given, keep_tokens=keep_tokens, progress=progress
        )
    with closing(database_of(folder, settings)) as database:
        gone = missing(database, folder.keys)
    if as_json:
        from api.keeping.restoring import told_of

        print_json(
            {
                "data": folder.path,
                "made_at": manifest.made_at,
                "files": len(manifest.files),
                "keys_missing": told_missing(gone),
                "organisations": [
                    {
                        "organisation": each.organisation, "events": each.events, "trail": each.trail,
                        "checkpoint": each.checkpoint and told_of(each.checkpoint),
                        "held": each.held and told_of(each.held),
                        "note": each.sequence, "sealed": each.sealed, "sessions_ended": each.sessions,
                        "tokens_ended": each.tokens, "feeds_ended": each.feeds, "messages_again": each.messages, "channels_to_set_up_again": list(each.locked),
                    }
                    for each in restored
                ],
            }
        )  # fmt: skip
    else:
        click.echo(f"已恢复 · Restored: {folder.path}")
        _tell(manifest)
        for each in restored:
            _tell_lost(each)
        tell_missing(gone)
        if gone:
            click.echo(
                "带回密钥：在启动 serve 之前运行 bihuan keys import FILE（bihuan keys export 导出的文件） · Bring them back by "
                "`bihuan keys import FILE`, with what `bihuan keys export` wrote, before you start `serve`"
            )
    for zh, en in _WARNINGS:
        click.echo(f"{zh} / {en}", err=True)


#: what nobody can know after a restore, so that somebody has to look: api/decisions/0002
_WARNINGS = (
    (
        "备份之后发出的编号会再次使用：请勿引用备份之后打印或转发的编号",
        "numbers given after the backup will be given again: what was printed or told under them since is of lost cases",
    ),
    (
        "备份时待发的消息可能会再发一次；备份之后的提醒会重新提醒",
        "messages that waited when the backup was made may come again, and reminders told since are told anew",
    ),
    (
        "登录、令牌和日历订阅链接已全部作废（后两者可用 --keep-tokens 保留）；备份之后改过的密码、收回的职责、停用的账号恢复为旧的，请核对名册",
        (
            "everybody has to sign in again, and tokens and links to calendars ended (unless --keep-tokens); passwords changed, roles withdrawn and "
            "accounts deactivated since the backup are as they were before: look through the directory"
        ),
    ),
    (
        "备份之后停用的部位标签又能扫开，之后制作的已失效，请核对 bihuan label list",
        "labels for places that were revoked since open again, and those made since lead nowhere: see `bihuan label list`",
    ),
    (
        "备份之后清除过的个人数据又在其中，请再次运行 bihuan audit erase",
        "personal data that was cleared since the backup is there again: run `bihuan audit erase` once more",
    ),
)


def _tell(manifest: "Manifest") -> None:
    click.echo(f"备份于 · Made at: {manifest.made_at}  {manifest.database} {manifest.revision}")
    for each in manifest.organisations:
        numbered = "—" if each.trail is None else each.trail
        click.echo(f"{each.organisation}: 记录 · events {each.events}, 已编号 · numbered {numbered}")
    click.echo(f"文件 · Files: {len(manifest.files)}")


def _tell_lost(each: "Restored") -> None:
    until = "" if each.held is None else f" … {each.held.size}（{each.held.at.isoformat()}）"
    signed = "已签名 · signed" if each.sealed else "待签名 · to be signed by the next checkpoint"
    click.echo(
        f"{each.organisation}: 第 {each.trail} 条之后的记录已丢失 · records after number {each.trail}{until} are lost; "
        f"logbook {each.sequence}, {signed}"
    )
    if each.locked:
        names = ", ".join(each.locked)
        click.echo(
            f"{each.organisation}: 密钥不在其中，以下消息渠道须重新设置 · without their key these channels have to be set up again: {names}"
        )


def _size(size: float) -> str:
    for unit in SIZES:
        if size < 1000 or unit == SIZES[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit is large enough")


@contextmanager
def _bar(label: str) -> Iterator[Callable[[float], None]]:
    with click.progressbar(length=PERMILLE, label=label, file=sys.stderr) as bar:
        yield lambda part: bar.update(max(0, round(part * PERMILLE) - bar.pos))
