"""`bihuan audit seal`: sign now, change the key, keep it elsewhere and bring it back."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import (
    data_option,
    json_option,
    opened,
    organisation_option,
    passphrase_of,
    passphrase_option,
    print_json,
    read_file,
    the_organisation,
)
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.bootstrap import Runtime

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--new-key", is_flag=True, help="Begin another key, for which the one before vouches if it is there.")
@click.option(
    "--after-restore", is_flag=True,
    help="Sign although the trail does not grow from the checkpoint beside the key, since a backup was brought back; it is noted.",
)  # fmt: skip
@click.option("--export-key", type=_FILE, metavar="FILE", help="Write the key there, under a passphrase.")
@click.option("--import-key", type=_FILE, metavar="FILE", help="Bring a key back that was exported.")
@passphrase_option
@organisation_option
@data_option
@json_option
def seal(
    new_key: bool, after_restore: bool, export_key: Path | None, import_key: Path | None, passphrase_file: Path | None,
    organisation: str | None, data: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Sign what was recorded, now (签署检查点), and print the checkpoint.

    `serve` and `work` do it every minute by themselves. A checkpoint says how many events there were and what they were;
    whoever keeps one elsewhere can show later that none of them was changed or cut off: `bihuan audit verify --checkpoint`.
    The last one lies beside the key, and what does not grow from it is not signed.

    The key lies in the data folder and in no ordinary backup. Export it once, and keep file and passphrase apart; after a
    restore, import it. Tell its fingerprint to whoever is to check your proofs, by another way than the proofs.
    """
    if sum((new_key, after_restore, export_key is not None, import_key is not None)) > 1:
        raise click.UsageError(
            "--new-key、--after-restore、--export-key、--import-key 只能用一个 · only one of these four can be given."
        )
    from api import sealing

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        if import_key is not None:
            written = read_file(import_key)
            passphrase = passphrase_of(passphrase_file, twice=False)
            key = sealing.import_key(runtime.engine, runtime.keys, here, written, passphrase)
            _tell_key("已导入密钥 · Imported the key", key, as_json=as_json)
            return
        if export_key is not None:
            passphrase = passphrase_of(passphrase_file, twice=True)
            key = sealing.export_key(runtime.engine, runtime.keys, here, passphrase, export_key)
            _tell_key(f"已导出到 {export_key} · Exported the key to {export_key}", key, as_json=as_json)
            return
        if new_key:
            sealing.begin_another(runtime.engine, runtime.keys, here)
        elif after_restore:
            sealing.seal_after_restore(runtime.engine, runtime.keys, here)
        else:
            sealing.seal_now(runtime.engine, runtime.keys, here)
        runtime.hand_out()
        told = _newest(runtime, here)
    if as_json:
        print_json(told)
        return
    fields: Any = told["checkpoint"]
    click.echo(f"单位 · Organisation: {fields['organisation']}")
    click.echo(f"检查点 · Checkpoint: {told['id']}, {fields['at']}")
    click.echo(f"记录数 · Events: {fields['size']}")
    click.echo(f"树根 · Root: {fields['root']}")
    click.echo(f"密钥指纹 · Key: {fields['key']}")
    click.echo(f"签名 · Signature: {told['signature']}")


def _newest(runtime: "Runtime", organisation: str) -> dict[str, object]:
    """The last checkpoint, with what is needed to check its signature."""
    from api.sealing import outside
    from engine.store import seals

    with runtime.database.read(organisation) as connection:
        signed = seals.last_checkpoint(connection, organisation)
        public = seals.keys(connection, organisation)
    if signed is None:
        raise FolderError(
            Text("尚无记录，没有可签署的内容。", "Nothing was recorded yet, so there is nothing to sign.")
        )
    return {**outside(signed, public), "checkpoint": json.loads(signed.body)}


def _tell_key(what: str, key: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": key})
    else:
        click.echo(f"{what}: {key}")
