"""Tokens: shown once when they are made, kept only as a hash."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from engine.store.accounts import Allows


@click.group()
def token() -> None:
    """API tokens."""


@token.command()
@click.argument("person")
@click.option("--label", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it holds; for good if not said.")
@click.option(
    "--allows", type=click.Choice(["read", "act"]), default="act", show_default=True,
    help="`read` changes nothing; `act` does what PERSON may.",
)  # fmt: skip
@data_option
@organisation_option
@json_option
def create(
    person: str, label: str, days: int | None, allows: "Allows", data: Path | None, organisation: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Make a token for PERSON and show it, this once."""
    from api.accounts import make_token
    from engine.store import people

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read(here) as connection:
            found = people.person(connection, here, person)
        if found is None or not found.active or found.person != person:
            raise FolderError(Text(f"“{person}”不是 {here} 的在册人员。", f"{person!r} is nobody active in {here}."))
        made = make_token(runtime.database, here, person, label, allows, days, runtime.clock.now())
    if as_json:
        told = {"token": made.token, "person": person, "organisation": here, "allows": allows}
        print_json({**told, "expires_at": made.expires_at})
    else:
        click.echo(made.token)


@token.command("list")
@data_option
@organisation_option
@json_option
def list_(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Whose tokens there are, by their first characters, and what each may."""
    from engine.store import accounts

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        now = runtime.clock.now()
        with runtime.database.read(here) as connection:
            found = accounts.tokens(connection, here)
    if as_json:
        print_json(found)
        return
    for line in found:
        state = ""
        if line["revoked_at"]:
            state = "revoked"
        elif line["expires_at"]:
            state = f"{'until' if line['expires_at'] > now else 'expired'} {line['expires_at']:%Y-%m-%d}"
        click.echo(f"{line['prefix']}…  {line['person']}  {line['allows']}  {line['label']}  {state}".rstrip())


@token.command()
@click.argument("prefix")
@data_option
@organisation_option
def revoke(prefix: str, data: Path | None, organisation: str | None) -> None:
    """Revoke the tokens whose first characters, as listed, are PREFIX."""
    from api.accounts import revoke_token
    from api.directory import CLI, Editor

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        editor = Editor(runtime.database, here, CLI, runtime.clock.now())
        revoked = revoke_token(editor, None, prefix.rstrip("…"))
    click.echo(f"revoked {revoked}")
