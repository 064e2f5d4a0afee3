"""The history of the database's shape, one for SQLite and PostgreSQL: numbered 0001, 0002, … and run forward only.

Where several nodes work on one database, a new version comes to them one after another: first the tables, then each node is
stopped and started anew. So a revision only ever adds: tables, indexes, columns that may be empty or have a default on the
server. A node that is running then goes on beside newer ones until it is its turn; one that is started on tables newer than it
knows refuses. What is no longer needed goes a version later, when no node is left that asks for it. A revision that cannot
keep to this says so in its docstring: "Stop every node first." Giving a column another type, or only more room, is one of
these: on PostgreSQL a running node's prepared statements fail from then on ("cached plan must not change result type").
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, inspect
from sqlmodel import SQLModel

import engine.store.tables
import notifications.tables
from engine.errors import FolderError, Text
from engine.store.database import Database, one_at_a_time

if TYPE_CHECKING:
    from alembic.config import Config

#: imported above so that every table is known, and named here so that nobody takes the imports for idle
TABLES = (engine.store.tables, notifications.tables)
METADATA: MetaData = SQLModel.metadata
_KEPT_IN = "alembic_version"


def upgrade(database: Database) -> None:
    """Bring the database to the newest revision; does nothing where it is there already.

    Raises    FolderError for a database of a newer program, or one that lost its revision
    """
    _must_be_known(database, revision_of(database))
    with database.own() as connection:
        if database.on_server:  # what changes a million rows takes its time, and whoever comes second waits for it
            for timeout in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {timeout} = 0")
        one_at_a_time(connection, "migrations")  # the second of two nodes finds nothing left to do
        from alembic import command

        command.upgrade(_config(connection), "head")


def check(database: Database) -> None:
    """Raises alembic's CommandError when the tables differ from what the migrations make."""
    from alembic import command

    with database.own() as connection:
        command.check(_config(connection))


@cache
def newest_revision() -> str:
    """The revision this program makes: the files are numbered, and no history of theirs forks.

    Alembic would read and run each of them to say so. A server only looks whether the tables fit, and gets by without Alembic: a
    fifth of a second of its start, and thirteen megabytes.
    """
    return max(_revisions())


@cache
def _revisions() -> frozenset[str]:
    files = (Path(__file__).parent / "versions").glob("rev_*.py")
    return frozenset(file.stem.removeprefix("rev_") for file in files)


def revision_of(database: Database) -> str | None:
    """The revision a database stands at; None for an empty one. Raises FolderError where it is not one."""
    with database.read_shape() as connection:
        if not inspect(connection).has_table(_KEPT_IN):
            return None
        found = list(connection.exec_driver_sql(f"SELECT version_num FROM {_KEPT_IN}").scalars())  # noqa: S608  # a name of ours
    if len(found) > 1:
        raise _lost()
    return str(found[0]) if found else None


def must_be_newest(database: Database) -> None:
    """Raises FolderError with what to do when the database is older or newer than this program."""
    found, wanted = revision_of(database), newest_revision()
    if found == wanted:
        return
    _must_be_known(database, found)
    raise FolderError(
        Text(
            f"数据库的版本是 {found or '空'}，本程序需要 {wanted}。请先备份，再运行 bihuan db upgrade。",
            f"The database is at revision {found or 'none'} and this program needs {wanted}. "
            "Make a backup, then run `bihuan db upgrade`.",
        )
    )


def _must_be_known(database: Database, found: str | None) -> None:
    """Raises FolderError for a revision of a newer program, and for none that any program of ours made."""
    if found is not None and found > newest_revision():
        raise _newer(found)
    if found not in _revisions() if found is not None else _holds_tables(database):
        raise _lost()


def _newer(found: str) -> FolderError:
    wanted = newest_revision()
    return FolderError(
        Text(
            f"数据库的版本是 {found}，比本程序（{wanted}）新。请升级程序。",
            f"The database is at revision {found}, newer than this program ({wanted}). Upgrade the program.",
        )
    )


def _lost() -> FolderError:
    return FolderError(
        Text(
            "数据库有内容，但没有唯一的版本记录，无法判断如何升级。请从备份恢复。",
            "The database holds tables, but not the one revision it stands at, so nobody knows how to upgrade it. "
            "Restore it from a backup.",
        )
    )


def _holds_tables(database: Database) -> bool:
    with database.read_shape() as connection:
        return bool(set(inspect(connection).get_table_names()) - {_KEPT_IN})


def _config(connection: Connection | None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    attributes: dict[str, Any] = config.attributes
    attributes["connection"] = connection
    return config
