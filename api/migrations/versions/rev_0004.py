"""The second wall: on a server each transaction sees the rows of the organisation it speaks for, and no others.

Revision 0004. Forward only: a folder is taken back by restoring its backup. Stop every node first: one of the version before
sees nothing any more, since it does not say for whom it speaks. Nothing of it on SQLite, where one school, or a bureau by
itself, has the file. Why it is so: engine/decisions/0005-two-walls.md.
"""

from alembic import op
from sqlalchemy import text

from api.migrations import walls

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Written out, not imported from engine.store.tables: what this revision did must not change when that does.
TABLES = (
    "absence", "answer", "calendar", "case_record", "delivery", "department", "directory_change", "disclosure", "event",
    "file", "file_holder", "inbox_message", "obligation", "organisation", "outbox", "party", "password", "period", "person",
    "policy", "refusal", "role_grant", "seat", "series", "session", "sign_in_try", "timer", "token", "working_group",
)  # fmt: skip


def upgrade() -> None:
    connection = op.get_bind()
    # tries belong to no organisation; they were under an empty name, which is what an unset organisation looks like
    connection.execute(text("UPDATE sign_in_try SET organisation = '~' WHERE organisation = ''"))
    if connection.dialect.name == "sqlite":
        return
    walls.make_roles(connection)
    for table in TABLES:
        walls.enclose(connection, table, append_only=table == "event")
    for table, condition in walls.NAMED.items():
        walls.show_named(connection, table, condition)
