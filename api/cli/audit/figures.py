"""`bihuan audit figures`: whether what was signed, counted again, is what it was."""

from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation

DIFFERS = 1  # exit code


@click.command()
@click.argument("number", required=False)
@data_option
@organisation_option
@json_option
def figures(number: str | None, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Count signed filings again, or the one of NUMBER, and compare (重新统计已签字的报送数字).

    Exit code 1 where a number is another than it was signed as.
    """
    from api.figures import counted_again
    from engine.errors import FolderError, Text

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        found = counted_again(runtime.engine, here, number)
    if number is not None and not found:
        raise FolderError(
            Text(f"{number} 不是已签字的报送。", f"{number} is no filing that was signed."),
        )
    wrong = [each for each in found if each.differing]
    if as_json:
        print_json({"organisation": here, "counted": len(found), "differing": [each.model_dump() for each in wrong]})
    else:
        for each in wrong:
            click.echo(f"{each.number}  {each.title}: " + ", ".join(each.differing))
        click.echo(
            f"重新统计 {len(found)} 件，不一致 {len(wrong)} 件 · {len(found)} counted again, {len(wrong)} of them others"
        )
    raise SystemExit(DIFFERS if wrong else 0)
