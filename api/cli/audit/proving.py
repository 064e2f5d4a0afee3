"""`audit prove`: a case on record, as a file that others can check without us."""

from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from api.cli.writing import written_whole


class _Proving(click.Command):
    """Tells the hash of `verify.py` in its help: whoever checks a pack has to know it from somewhere else than the pack."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from api.papers.pack.packing import verifier_hash

        formatter.write_paragraph()
        formatter.write_text("verify.py SHA-256:")
        formatter.write(f"  {verifier_hash()}\n")


@click.command(cls=_Proving)
@click.argument("number")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PACK.zip")
@click.option("--names/--no-names", default=True, help="People by name besides their post (default), or by post alone.")
@data_option
@organisation_option
@json_option
def prove(number: str, output: Path, names: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Write the evidence pack of a case (出具证据包): everything on record of it, with pictures, and what proves it.

    Whoever receives it checks it without Bihuan and without a network: `python -I verify.py --key FINGERPRINT PACK.zip`.
    Tell him the fingerprint of the key, and the hash of verify.py below, by another way.
    """
    from api.papers.pack.packing import take, verifier_hash
    from engine.actor import system

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with written_whole(output) as file:
            taken = take(runtime, here, number, system(here), file, with_names=names)
    told = {
        "pack": str(output), "sha256": taken.sha256, "key": taken.key, "verify_py": verifier_hash(),
        "events": taken.events, "files": taken.files, "absent": taken.absent,
    }  # fmt: skip
    if as_json:
        print_json(told)
        return
    click.echo(f"{output}: {taken.events} 条记录，{taken.files} 个文件 · {taken.events} events, {taken.files} files")
    if taken.absent:
        click.echo(f"{taken.absent} 个文件已不在数据目录中 · {taken.absent} files are no longer in the data folder")
    click.echo(f"签名密钥指纹 · Fingerprint of the key:  {taken.key}")
    click.echo(f"verify.py SHA-256:                     {told['verify_py']}")
    click.echo(f"python -I verify.py --key {taken.key} {output.name}")
