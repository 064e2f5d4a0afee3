"""`bihuan audit`: what auditors ask, check and take away. A module for each; nothing of it is needed to run a school."""

import click

from api.cli.audit.query import query


@click.group()
def audit() -> None:
    """Ask the trail, check it, prove it to others (审计：查询、核验、出具证明)."""


audit.add_command(query)
