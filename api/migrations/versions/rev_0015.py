"""What was taken over from an older ledger: which of its lines a case is, and the days that ledger claims for it.

Revision 0015. An older node goes on beside it: it leaves three columns empty that only such cases have, which it does not
open. Forward only: a folder is taken back by restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("case_record", sa.Column("taken", sa.String(length=64), nullable=True))
    op.add_column("case_record", sa.Column("since", sa.String(length=10), nullable=True))
    op.add_column("case_record", sa.Column("until", sa.String(length=10), nullable=True))
    op.create_index(
        "ix_case_record_taken", "case_record", ["organisation", "since", "until", "number", "taken"],
        sqlite_where=sa.text("taken IS NOT NULL"), postgresql_where=sa.text("taken IS NOT NULL"),
    )  # fmt: skip


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
