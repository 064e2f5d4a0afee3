"""The second wall, in PostgreSQL's words: two roles that own nothing, and policies that say which rows each of them sees.

What a function does for the revisions that called it does not change any more; another wall is another function.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from engine.store.database import OF_ALL, OF_ONE

_ORGANISATION = "organisation = current_setting('bihuan.organisation', true)"
_NAMES = "string_to_array(current_setting('bihuan.named', true), chr(31))"

#: table → what a row of another organisation has to be named by to be seen: see `engine.store.database.naming`
NAMED: Mapping[str, str] = {
    "organisation": f"organisation = ANY({_NAMES})",
    "person": f"human = ANY({_NAMES}) OR person || '@' || organisation = ANY({_NAMES})",
    "session": f"session_hash = ANY({_NAMES})",
    "token": f"token_hash = ANY({_NAMES})",
}

#: the same of tables that came after the wall, each in the revision that made it
NAMED_SINCE: Mapping[str, str] = {
    "place_label": f"token_hash = ANY({_NAMES})",
    "feed": f"token_hash = ANY({_NAMES})",
}

#: what whoever runs the server does once, where the owner of the tables may not make roles, or processes sign in as
#: somebody less than the owner
ROLES = f"""\
CREATE ROLE {OF_ONE} NOLOGIN;
CREATE ROLE {OF_ALL} NOLOGIN;
CREATE ROLE bihuan_owner LOGIN;   -- BIHUAN_DATABASE_OWNER_URL: db upgrade; owns the tables
CREATE ROLE bihuan LOGIN IN ROLE {OF_ONE};   -- BIHUAN_DATABASE_URL: everything that is done for one organisation
CREATE ROLE bihuan_sweep LOGIN IN ROLE {OF_ALL};   -- BIHUAN_DATABASE_SWEEP_URL: sweeps and claims
CREATE DATABASE bihuan OWNER bihuan_owner;
"""

# two nodes may come at the same moment; and where the owner was not made to be one of them, processes sign in as others
_MAKE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        BEGIN
            CREATE ROLE {role} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        BEGIN
            GRANT {role} TO CURRENT_USER;
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO {role}', current_schema());
    GRANT SELECT ON alembic_version TO {role};
END $$
"""


def make_roles(connection: Connection) -> None:
    """Both roles, which may then look up which revision the tables are of."""
    for role in (OF_ONE, OF_ALL):
        connection.execute(text(_MAKE.format(role=role)))


def enclose(connection: Connection, table: str, *, append_only: bool = False) -> None:
    """Nobody sees a row of this table but as one of the two roles, its owner included.

    append_only    they may add rows and read them, no more
    """
    rights = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY of_one ON {table} TO {OF_ONE} USING ({_ORGANISATION})",
        f"CREATE POLICY of_all ON {table} TO {OF_ALL} USING (true)",
        f"GRANT {rights} ON {table} TO {OF_ONE}, {OF_ALL}",
    ):
        connection.execute(text(statement))


def show_named(connection: Connection, table: str, condition: str) -> None:
    """Rows of another organisation that are named exactly can be looked at."""
    connection.execute(text(f"CREATE POLICY named ON {table} FOR SELECT TO {OF_ONE} USING ({condition})"))
