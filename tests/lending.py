"""Copies on our server that are used again, together with the connections that are open to them.

    copy = Copy(the_cluster(), "copy_1", template="template_1")
    Database(copy.url)      # its connections may be ones that somebody before had; closing them hands them on
    copy.is_as_new()        # its rows put back; False where something else than rows was changed: `drop` it

Making a copy, dropping it, and four connections that have to learn what its tables are take most of what a test on a
server takes. Nobody sees who used a copy before: every row is put back, and whatever cannot be put back, or might still be
at work in it, is the end of the copy.
"""

import atexit
import os
import threading
from collections import defaultdict
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Dialect, Engine, event

from tests.postgres import Cluster

TIMES = 50  # nothing is vacuumed here: what was deleted still has to be stepped over
ROWS = 5_000  # which a test may leave behind in a copy that is used again
IDLE = 2  # connections of one kind that stay open: one reads while the other writes

_ours = os.getpid()  # a fork has these objects, and not the right to talk through them
_lock = threading.Lock()
_out: dict[tuple[str, str], "Copy"] = {}  # (folder of the server, database): with a test at the moment

#: `restore` says how many rows it threw away, or nothing where putting rows back is not enough: tables, triggers or
#: policies were changed, the planner was told how many rows there are, settings were, or somebody is still connected
_TO_RESTORE = """
CREATE SCHEMA kept;
CREATE TABLE kept.altered (what text);
{keep}
CREATE FUNCTION kept.restore(known integer[]) RETURNS bigint LANGUAGE plpgsql AS $restore$
DECLARE
    gone bigint := 0;
    these bigint;
BEGIN
    IF EXISTS (SELECT FROM kept.altered) OR EXISTS (SELECT FROM pg_statistic WHERE starelid >= 16384) OR EXISTS (
        SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
    ) OR EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL (known)
    ) THEN
        RETURN NULL;
    END IF;
    {restore}
    RETURN gone;
END $restore$;
CREATE FUNCTION kept.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
    'BEGIN INSERT INTO kept.altered VALUES (tg_tag); END';
CREATE EVENT TRIGGER kept_altered ON ddl_command_end EXECUTE FUNCTION kept.note();
CREATE EVENT TRIGGER kept_dropped ON sql_drop EXECUTE FUNCTION kept.note();
"""


_FORGET = b"""
RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE; UNLISTEN *; SELECT pg_advisory_unlock_all();
SELECT WHERE NOT EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
)
"""


class Lent(psycopg.Connection[Any]):
    """A connection to a copy. Whoever closes it hands it on to the next one, unless something is wrong with it."""

    copy: "Copy | None" = None
    kind: tuple[object, ...] = ()
    made_with: tuple[object, ...] = ()

    def close(self) -> None:
        if self.copy is None or not self.copy.takes_back(self):
            super().close()

    def really_close(self) -> None:
        self.copy = None
        self.close()

    def works_by(self) -> tuple[object, ...]:
        """What may be exchanged in it from outside; the test of the walls does."""
        return (self.cursor_factory, self.server_cursor_factory, self.row_factory, self.prepare_threshold)

    def is_as_new(self) -> bool:
        """Forget what the one before set for its session; of all that is reset, whom it acts as is not. False also where the
        database has settings by now: only who connects anew has them.
        """
        try:
            found = self.pgconn.exec_(_FORGET)
        except psycopg.Error:
            return False
        return found.status == ExecStatus.TUPLES_OK and found.ntuples == 1


class Copy:
    """A copy of a template. It is with a test from the beginning, and again after each `is_as_new` that gave True."""

    def __init__(self, cluster: Cluster, name: str, template: str) -> None:
        cluster.create(name, template)
        self.url, self._cluster, self._name = cluster.url(name), cluster, name
        self._key = (str(cluster.folder), name)
        self._idle: defaultdict[tuple[object, ...], list[Lent]] = defaultdict(list)
        self._times = 1
        self._restoring = cluster.connect(name)
        self._restoring.execute(_to_restore(self._restoring))
        self._restoring.execute("SET session_replication_role = replica; SET lock_timeout = '1s'")
        _out[self._key] = self
        atexit.register(self._hang_up)

    def is_as_new(self) -> bool:
        """Put back what its tables held at the beginning. False when it is not to be used again."""
        _out.pop(self._key, None)
        self._times += 1
        with _lock:
            known = [connection.info.backend_pid for kind in self._idle.values() for connection in kind]
        try:
            found = self._restoring.execute(
                "SELECT kept.restore(%s::integer[])", [[*known, self._restoring.info.backend_pid]]
            ).fetchone()
        except psycopg.Error:
            return False
        return found is not None and found[0] is not None and found[0] <= ROWS and self._times <= TIMES

    def lend(self) -> str:
        """To the next test; gives the URL."""
        _out[self._key] = self
        return self.url

    def drop(self) -> None:
        _out.pop(self._key, None)
        atexit.unregister(self._hang_up)
        self._hang_up()
        self._cluster.drop(self._name)

    def connection(self, *arguments: Any, **named: Any) -> Lent:
        """One that somebody had before, or a new one."""
        # `context` is how each engine of ours makes values of what the driver brings: there are many, and all alike
        kind = (*arguments, *sorted((name, value) for name, value in named.items() if name != "context"))
        while True:
            with _lock:
                found = self._idle[kind].pop() if self._idle[kind] else None
            if found is None:
                made: Lent = Lent.connect(*arguments, **named)
                made.copy, made.kind, made.made_with = self, kind, made.works_by()
                return made
            if found.is_as_new():
                return found
            found.really_close()

    def takes_back(self, connection: Lent) -> bool:
        with _lock:
            idle = self._idle[connection.kind]
            if connection in idle:
                return True
            if (
                self._key not in _out
                or len(idle) >= IDLE
                or connection.closed
                or connection.info.transaction_status != TransactionStatus.IDLE
                or connection.works_by() != connection.made_with
            ):
                return False
            idle.append(connection)
            return True

    def _hang_up(self) -> None:
        self._restoring.close()
        for kind in self._idle.values():
            while kind:
                with suppress(psycopg.Error):
                    kind.pop().really_close()


def _to_restore(connection: psycopg.Connection[tuple[Any, ...]]) -> sql.Composed:
    tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    asked = sql.SQL(" UNION ALL ").join(
        sql.SQL("(SELECT {}::text FROM public.{} LIMIT 1)").format(name, sql.Identifier(name)) for name in tables
    )
    filled = [name for (name,) in connection.execute(asked)] if tables else []
    delete = "DELETE FROM public.{}; GET DIAGNOSTICS these = ROW_COUNT; gone := gone + these;"
    insert = "INSERT INTO public.{} SELECT * FROM kept.{};"
    return sql.SQL(_TO_RESTORE).format(
        keep=_each("CREATE TABLE kept.{} AS TABLE public.{};", filled),
        restore=_each(delete, tables) + _each(insert, filled),
    )


def _each(statement: str, tables: list[str]) -> sql.Composed:
    holes = statement.count("{}")
    return sql.SQL("\n").join(sql.SQL(statement).format(*[sql.Identifier(name)] * holes) for name in tables)


@event.listens_for(Engine, "do_connect")
def _lends(dialect: Dialect, _record: Any, arguments: Any, named: dict[str, Any]) -> Lent | None:
    """Whoever connects to a copy gets one of its connections; everybody else goes his own way."""
    copy = _out.get((str(named.get("host")), str(named.get("dbname")))) if dialect.name == "postgresql" else None
    return copy.connection(*arguments, **named) if copy is not None and os.getpid() == _ours else None
