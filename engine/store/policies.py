"""The numbers an organisation set for its workflows; what it did not set has the workflow's default."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from engine.store.database import table_of
from engine.store.statements import Question, Statement
from engine.store.tables import PolicyRow

_policies = table_of(PolicyRow)

_SET = Statement(
    select(_policies.c.workflow, _policies.c.version, _policies.c.body)
    .where(_policies.c.organisation == bindparam("organisation"))
    .order_by(_policies.c.workflow, _policies.c.version)
)


def in_force(connection: Connection, organisation: str, workflow: str) -> tuple[int, dict[str, Any]]:
    """(version, overrides); version 0 and nothing while the organisation never set any."""
    return asking_in_force(organisation).ask(connection).get(workflow, (0, {}))


def asking_in_force(organisation: str) -> Question[dict[str, tuple[int, dict[str, Any]]]]:
    """workflow → what is in force of it, where something was set; to be asked together with other questions."""
    return Question(
        _SET, {"organisation": organisation}, lambda rows: {row.workflow: (row.version, dict(row.body)) for row in rows}
    )


def all_in_force(connection: Connection, workflow: str) -> dict[str, dict[str, Any]]:
    """organisation → what it set of this one, of all organisations that set anything."""
    rows = connection.execute(
        select(_policies.c.organisation, _policies.c.body)
        .where(_policies.c.workflow == workflow)
        .order_by(_policies.c.organisation, _policies.c.version)
    )
    return {row.organisation: dict(row.body) for row in rows}


def set_(
    connection: Connection, organisation: str, workflow: str, overrides: Mapping[str, Any], by: str, at: datetime
) -> int:
    """Add a version with these overrides, already checked against the workflow. Gives the version."""
    version = in_force(connection, organisation, workflow)[0] + 1
    values = {
        "organisation": organisation, "workflow": workflow, "version": version, "body": dict(overrides),
        "set_at": at, "set_by": by,
    }  # fmt: skip
    connection.execute(insert(_policies), values)
    return version
