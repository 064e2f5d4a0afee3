"""`bihuan check`: can every loop be closed by the people there are?"""

from pathlib import Path

import click

from api.cli.opening import F, data_option, json_option, opened, organisation_option, print_json, the_organisation

STUCK = 1  # exit code while any case could get stuck


def _by_either_name(command: F) -> F:
    return organisation_option(command, "--org")  # as it was called here first


@click.command()
@data_option
@_by_either_name
@json_option
def check(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Explore every loop against the real directory: could a case come to stand where nobody can close it?

    Every way a case can go is played with the people there are, from each state and each history of who did what,
    today and on every day of the next 90 on which a grant, a seat in a group or an absence begins or ends. Open cases
    are looked at with what really happened to them.

    ✗ is a dead corner, ! a warning, → the smallest change that removes it. Exit code 1 if a case could get stuck;
    warnings alone leave it at 0. The same question is asked before a change of people or policy is saved.
    """
    from api import checking
    from api.routes.check import answer_of

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            found = checking.findings(connection, runtime.engine.catalog, here, runtime.clock.now())
    if as_json:
        chinese, english = answer_of(found, "zh"), answer_of(found, "en")
        lines = [
            {**zh.model_dump(), "text": {"zh": zh.text, "en": en.text}, "remedy": {"zh": zh.remedy, "en": en.remedy}}
            for zh, en in zip(chinese.findings, english.findings, strict=True)
        ]
        print_json({**chinese.model_dump(), "organisation": here, "findings": lines})
    else:
        for finding in found:
            mark = "✗" if finding.stuck else "!"
            click.echo(f"{mark} {finding.text.zh}\n  {finding.text.en}\n  → {finding.remedy.zh} / {finding.remedy.en}")
        stuck = sum(finding.stuck for finding in found)
        if stuck:
            click.echo(
                f"{stuck} 处死角，{len(found) - stuck} 条提醒 · {stuck} dead corners, {len(found) - stuck} warnings"
            )
        else:
            click.echo(f"没有死角，{len(found)} 条提醒 · no dead corner, {len(found)} warnings")
    if any(finding.stuck for finding in found):
        raise click.exceptions.Exit(STUCK)
