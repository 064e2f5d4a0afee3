"""Lists that people keep by a name.

Revision 0010. An older node goes on beside it: a table of its own is all there is. Forward only: a folder is taken back by
restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

from api.migrations import walls

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_view",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "person", "id", name=op.f("pk_saved_view")),
    )
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        walls.enclose(connection, "saved_view")


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
