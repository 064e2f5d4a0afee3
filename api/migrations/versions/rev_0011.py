"""Secret links to calendars.

Revision 0011. An older node goes on beside it: a table of its own is all there is. Forward only: a folder is taken back by
restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

from api.migrations import walls

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "person", "id", name=op.f("pk_feed")),
    )
    op.create_index("ix_feed_token", "feed", ["token_hash"], unique=True)
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        walls.enclose(connection, "feed")
        # whoever fetches one names it, and does not know whose it is
        walls.show_named(connection, "feed", walls.NAMED_SINCE["feed"])


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
