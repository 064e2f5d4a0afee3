"""Alembic runs this. Everything is handed in by `api.migrations`: there is no ini file and no second way to the database."""

from alembic import context

from api.migrations import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=connection.dialect.name == "sqlite",  # alters a table by writing a new one
    transactional_ddl=True,  # the connection begins IMMEDIATE itself, so a failed migration leaves nothing behind
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
