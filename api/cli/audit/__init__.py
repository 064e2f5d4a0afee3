"""`bihuan audit`: what auditors ask, check and take away. A module for each; nothing of it is needed to run a school."""

import click

from api.cli.audit.erasing import erase
from api.cli.audit.exporting import export
from api.cli.audit.figures import figures
from api.cli.audit.proving import prove
from api.cli.audit.query import query
from api.cli.audit.retention import retention
from api.cli.audit.seal import seal
from api.cli.audit.verify import verify


@click.group()
def audit() -> None:
    """Ask the trail, check it, prove it to others (审计：查询、核验、出具证明)."""


for command in (query, verify, seal, prove, export, retention, figures, erase):
    audit.add_command(command)
