"""Obligations are found by what they opened last.

Revision 0006. An older node goes on beside it: an index is all there is. Forward only, as every revision here.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_obligation_unopened", "obligation", ["cycle", "opened_through"])


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
