"""The campaign a case was opened in.

Revision 0016. An older node goes on beside it: it leaves a column empty that only such cases have, which it does not open.
Forward only: a folder is taken back by restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("case_record", sa.Column("within", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_case_record_within", "case_record",
        ["organisation", "within", "opened_at", "number", "workflow", "state", "final", "department", "due_at"],
        sqlite_where=sa.text("within IS NOT NULL"), postgresql_where=sa.text("within IS NOT NULL"),
    )  # fmt: skip


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
