"""The numbers an organisation set for its workflows; what it did not set has the workflow's default."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from engine.store.database import table_of
from engine.store.tables import PolicyRow

_policies = table_of(PolicyRow)

_IN_FORCE = (  # prebuilt: every command asks for it
    select(_policies.c.version, _policies.c.body)
    .where(_policies.c.organisation == bindparam("organisation"), _policies.c.workflow == bindparam("workflow"))
    .order_by(_policies.c.version.desc())
    .limit(1)
)


def in_force(connection: Connection, organisation: str, workflow: str) -> tuple[int, dict[str, Any]]:
    """(version, overrides); version 0 and nothing while the organisation never set any."""
    row = connection.execute(_IN_FORCE, {"organisation": organisation, "workflow": workflow}).first()
    return (0, {}) if row is None else (row.version, dict(row.body))


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
