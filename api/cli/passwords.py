"""Passwords set at the data folder itself: for the first administrator, and for whoever has locked himself out."""

from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation


@click.command()
@click.argument("person")
@click.option("--generate", is_flag=True, help="Draw one and print it, this once, instead of asking for it.")
@data_option
@organisation_option
@json_option
def password(person: str, generate: bool, data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Set PERSON's password; it has to be changed at the first sign-in, and ends every session of PERSON."""
    from api.accounts import RESETTING, must_be_here, set_first_password
    from api.directory import CLI, Editor
    from api.passwords import fault_of

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            found = must_be_here(connection, here, person, RESETTING)
        chosen = None if generate else _asked_for()
        fault = None if chosen is None else fault_of(chosen, found.person, found.staff_number or "", found.name)
        if fault is not None:
            raise click.UsageError(f"{fault.zh} / {fault.en}")
        editor = Editor(runtime.database, here, CLI, runtime.clock.now())
        password = set_first_password(editor, runtime.hashing, person, chosen)
    if as_json:
        told = {"person": person, "organisation": here, "must_change": True}
        print_json({**told, "password": password} if generate else told)
    elif generate:
        click.echo(password)
    else:
        click.echo(f"{person}: must be changed at the first sign-in")


def _asked_for() -> str:
    said: str = click.prompt("密码 · Password", hide_input=True, confirmation_prompt="再输一次 · Once more", err=True)
    return said
