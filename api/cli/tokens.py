"""Tokens: shown once when they are made, kept only as a hash."""

import secrets
from datetime import timedelta
from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

TOKEN_BYTES = 32
MARK = "bihuan_"  # so that a token found in a file is recognised for what it is


@click.group()
def token() -> None:
    """API tokens."""


@token.command()
@click.argument("person")
@click.option("--label", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it holds; for good if not said.")
@data_option
@organisation_option
@json_option
def create(
    person: str, label: str, days: int | None, data: Path | None, organisation: str | None, as_json: bool
) -> None:
    """Make a token for PERSON and show it, this once."""
    from engine.store import accounts, people

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        now = runtime.clock.now()
        made = MARK + secrets.token_urlsafe(TOKEN_BYTES)
        expires_at = now + timedelta(days=days) if days else None
        with runtime.database.write() as connection:
            found = people.person(connection, here, person)
            if found is None or not found.active:
                raise FolderError(
                    Text(f"“{person}”不是 {here} 的在册人员。", f"{person!r} is nobody active in {here}.")
                )
            accounts.add_token(connection, here, person, made, label, now, expires_at)
    if as_json:
        print_json({"token": made, "person": person, "organisation": here, "expires_at": expires_at})
    else:
        click.echo(made)


@token.command("list")
@data_option
@organisation_option
@json_option
def list_(data: Path | None, organisation: str | None, as_json: bool) -> None:
    """Whose tokens there are, by their first characters."""
    from engine.store import accounts

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.read() as connection:
            found = accounts.tokens(connection, here)
    if as_json:
        print_json(found)
        return
    for line in found:
        state = (
            "revoked" if line["revoked_at"] else f"until {line['expires_at']:%Y-%m-%d}" if line["expires_at"] else ""
        )
        click.echo(f"{line['prefix']}…  {line['person']}  {line['label']}  {state}".rstrip())


@token.command()
@click.argument("prefix")
@data_option
@organisation_option
def revoke(prefix: str, data: Path | None, organisation: str | None) -> None:
    """Revoke the tokens whose first characters, as listed, are PREFIX."""
    from engine.store import accounts

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with runtime.database.write() as connection:
            revoked = accounts.revoke_token(connection, here, prefix.rstrip("…"), runtime.clock.now())
    if not revoked:
        raise FolderError(
            Text(f"没有以“{prefix}”开头的有效令牌。", f"There is no living token that begins with {prefix!r}.")
        )
    click.echo(f"revoked {revoked}")
