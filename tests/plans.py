"""How a database goes about what it is asked."""

from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import Connection, event

from engine.store.database import Database


def asked_by(connection: Connection, ask: Callable[[], object]) -> list[tuple[str, Any]]:
    """The queries that reached the database meanwhile."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    ask()
    event.remove(connection, "before_cursor_execute", note)
    return asked


def explained(connection: Connection, statement: str, values: Any) -> str:
    """How the database goes about it."""
    how = "EXPLAIN QUERY PLAN"
    if connection.dialect.name != "sqlite":
        how = "EXPLAIN"
        for way in ("seqscan", "bitmapscan"):  # there are still few enough to go through all
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
    return "\n".join(" ".join(map(str, row)) for row in connection.exec_driver_sql(f"{how} {statement}", values))


def looked_into(database: Database, table: str) -> None:
    """A server knows of this table what it would in time find out by itself; until then it guesses.

    A test is given a database in which others wrote and deleted before: pages that they left behind would count too.
    """
    if database.on_server:
        with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
            # the tests' server writes its log down late, and what is not in it counts as seen by nobody
            for what in ("CHECKPOINT", f"VACUUM FULL {table}", f"VACUUM ANALYZE {table}"):
                connection.execute(what)
