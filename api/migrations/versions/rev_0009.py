"""Labels for places, and how many reports strangers sent by them.

Revision 0009. An older node goes on beside it: tables of their own are all there is. Forward only: a folder is taken back by
restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

from api.migrations import walls

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "place_label",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_place_label")),
    )
    op.create_index("ix_place_label_token", "place_label", ["token_hash"], unique=True)
    op.create_table(
        "strangers_count",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "day", "source", name=op.f("pk_strangers_count")),
    )
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        for table in ("place_label", "strangers_count"):
            walls.enclose(connection, table)
        # whoever scans one names it, and does not know whose it is
        walls.show_named(connection, "place_label", walls.NAMED_SINCE["place_label"])


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
