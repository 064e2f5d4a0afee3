"""A school's own templates for its papers.

Revision 0014. An older node goes on beside it: a table of its own is all there is. Forward only: a folder is taken back by
restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

from api.migrations import walls

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "paper_template",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("paper", sa.String(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "paper", name=op.f("pk_paper_template")),
    )
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        walls.enclose(connection, "paper_template")


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
