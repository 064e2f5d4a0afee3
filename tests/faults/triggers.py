"""Faults inside PostgreSQL: triggers on every table that count writes, and at the planned one end their own process or find
the disk full. Whatever way statements come to the server, they pass here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql
from sqlalchemy import make_url
from sqlmodel import SQLModel

from tests.faults.places import Place
from tests.postgres import the_cluster

#: before, after    the server's process ends before or after the n-th statement that writes
#: at commit        it ends as the n-th transaction that wrote something is about to be committed
#: full             the n-th statement that writes finds the disk full, and so does every one after it
At = Literal["before", "after", "at commit", "full"]

# The counters are sequences, the one thing in there that no rollback turns back. `fault_last` holds the transaction whose
# commit was counted last: a deferred trigger runs for every row that is to be committed, and a commit counts once.
_COUNTING = """
CREATE TABLE fault_plan (at text NOT NULL, number bigint NOT NULL);
CREATE SEQUENCE fault_writes;
CREATE SEQUENCE fault_commits;
CREATE SEQUENCE fault_last;
CREATE FUNCTION fault_here() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE plan record; seen bigint;
BEGIN
    SELECT at, number INTO plan FROM fault_plan;
    IF TG_ARGV[0] = plan.at OR (TG_ARGV[0] = 'before' AND plan.at = 'full') THEN
        IF TG_ARGV[0] <> 'at commit' THEN
            seen := nextval('fault_writes');
        ELSIF (SELECT last_value FROM fault_last) <> txid_current() THEN
            PERFORM setval('fault_last', txid_current());
            seen := nextval('fault_commits');
        END IF;
        IF plan.at = 'full' AND seen >= plan.number THEN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
        ELSIF plan.at <> 'full' AND seen = plan.number THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
            PERFORM pg_sleep(60);  -- the end comes in here
        END IF;
    END IF;
    RETURN NULL;
END $$;
"""
_ON_A_TABLE = """
CREATE TRIGGER fault_before BEFORE INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION fault_here('before');
CREATE TRIGGER fault_after AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION fault_here('after');
CREATE CONSTRAINT TRIGGER fault_at_commit AFTER INSERT OR UPDATE OR DELETE ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fault_here('at commit');
"""


@dataclass(frozen=True)
class Plan:
    """What is to go wrong next; counting begins anew with each plan."""

    _connection: psycopg.Connection[Any]

    def at(self, at: At, number: int) -> None:
        self.nothing()
        self._connection.execute("SELECT setval('fault_writes', 1, false), setval('fault_commits', 1, false)")
        self._connection.execute("INSERT INTO fault_plan VALUES (%s, %s)", (at, number))

    def nothing(self) -> None:
        self._connection.execute("DELETE FROM fault_plan")


@contextmanager
def triggers_in(place: Place) -> Iterator[Plan]:
    """Triggers on every table of this place's database, until whose end nothing is planned any more."""
    on_each = (sql.SQL(_ON_A_TABLE).format(table=sql.Identifier(name)) for name in SQLModel.metadata.tables)
    with the_cluster().connect(str(make_url(place.url).database)) as past_everything:
        past_everything.execute(_COUNTING)
        past_everything.execute(sql.SQL("").join(on_each))
        plan = Plan(past_everything)
        yield plan
        plan.nothing()
