"""The trail: every event under a number, the tree over them, checkpoints and the keys they are signed with; files cleared.

Revision 0007. Stop every node first: what an older one records would never be numbered, and events get a kind more than it
knows. Forward only: a folder is taken back by restoring its backup. The indexes of `event` go: what was
asked by them is asked of the trail. Those of `refusal` say by themselves which ones a question finds.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

from api.migrations import walls

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TYPES = "type IN ('opened','stepped','signed','reminded','linked','recomputed','noted')"
APPEND_ONLY_SQLITE = """
CREATE TRIGGER {table}_no_{name} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{what} are append-only: {verb} refused'); END
"""
APPEND_ONLY_POSTGRESQL = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION event_is_append_only();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only()
"""
REPRESENTED: dict[str, Any] = {
    "sqlite_where": text("on_behalf_of IS NOT NULL"),
    "postgresql_where": text("on_behalf_of IS NOT NULL"),
}
NO_STEP: dict[str, Any] = {
    "sqlite_where": text("type <> 'stepped'"),
    "postgresql_where": text("type <> 'stepped'"),
}
LASTED: dict[str, Any] = {
    "sqlite_where": text("until > recorded_at"),
    "postgresql_where": text("until > recorded_at"),
}
OF_A_CASE: dict[str, Any] = {
    "sqlite_where": text("number IS NOT NULL"),
    "postgresql_where": text("number IS NOT NULL"),
}
#: table → whether its rows are only ever added
NEW: Mapping[str, bool] = {
    "unnumbered": False, "trail": False, "tree_node": True, "checkpoint": True, "seal_key": False,
}  # fmt: skip


def upgrade() -> None:
    on_server = op.get_bind().dialect.name != "sqlite"
    op.drop_index("ix_event_type", table_name="event")
    op.drop_index("ix_event_recorded", table_name="event")
    if on_server:
        op.drop_constraint(op.f("ck_event_type"), "event", type_="check")
        op.create_check_constraint(op.f("ck_event_type"), "event", TYPES)
    else:
        with op.batch_alter_table("event") as event:
            event.create_check_constraint(op.f("ck_event_type"), TYPES)  # the old one is not taken over
        for verb in ("UPDATE", "DELETE"):  # they went with the table that was written anew
            op.execute(APPEND_ONLY_SQLITE.format(table="event", what="events", name=verb.lower(), verb=verb))
    op.drop_index("ix_refusal_at", table_name="refusal")
    op.create_index(
        "ix_refusal_at", "refusal", ["organisation", "at", "id", "number", "principal", "on_behalf_of", "asked"]
    )
    op.create_index("ix_refusal_number", "refusal", ["organisation", "number", "at", "id"], **OF_A_CASE)
    op.add_column("file", sa.Column("erased", sa.Integer(), nullable=True))
    _make_tables()
    for table, append_only in NEW.items():
        if on_server:
            walls.enclose(op.get_bind(), table, append_only=append_only)
        if append_only and on_server:
            op.execute(APPEND_ONLY_POSTGRESQL.format(table=table))
        elif append_only:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    APPEND_ONLY_SQLITE.format(table=table, what=f"rows of {table}", name=verb.lower(), verb=verb)
                )
    # whoever numbers next finds them
    behind_the_wall = ("event", "unnumbered") if on_server else ()
    for table in behind_the_wall:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO unnumbered (organisation, number, sequence) SELECT organisation, number, sequence FROM event"
    )
    for table in behind_the_wall:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _make_tables() -> None:
    op.create_table(
        "unnumbered",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "number", "sequence", name=op.f("pk_unnumbered")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trail",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lasted", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("trigger", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=80), nullable=True),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("workflow", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("counts_as", sa.String(length=16), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=32), nullable=True),
        sa.Column("assignee", sa.String(length=64), nullable=True),
        sa.Column("reporter", sa.String(length=64), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "position", name=op.f("pk_trail")),
    )
    op.create_index("ix_trail_event", "trail", ["organisation", "number", "sequence"], unique=True)
    op.create_index(
        "ix_trail_recorded", "trail",
        [
            "organisation", "recorded_at", "position", "number", "trigger", "type", "actor", "on_behalf_of", "workflow",
            "department",
        ],
    )  # fmt: skip
    op.create_index("ix_trail_actor", "trail", ["organisation", "actor", "recorded_at", "position"])
    op.create_index(
        "ix_trail_represented", "trail", ["organisation", "on_behalf_of", "recorded_at", "position"], **REPRESENTED
    )
    op.create_index("ix_trail_trigger", "trail", ["organisation", "trigger", "recorded_at", "position"])
    op.create_index("ix_trail_type", "trail", ["organisation", "type", "recorded_at", "position"], **NO_STEP)
    op.create_index("ix_trail_department", "trail", ["organisation", "department", "recorded_at", "position"])
    op.create_index(
        "ix_trail_until", "trail",
        [
            "organisation", "lasted", "until", "recorded_at", "opened_at", "number", "workflow", "state", "counts_as",
            "final", "level", "category", "department", "assignee", "due_at",
        ],
        **LASTED,
    )  # fmt: skip
    op.create_table(
        "tree_node",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "level", "position", name=op.f("pk_tree_node")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "seal_key",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("public", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "key", name=op.f("pk_seal_key")),
    )


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
