"""Whom a case waits for by name.

Revision 0012. An older node goes on beside it: a column it leaves alone, since it has no case that many have to know of.
Forward only: a folder is taken back by restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("party", sa.Column("waits", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    waits = sa.text("waits")
    op.create_index(
        "ix_party_waits",
        "party",
        ["organisation", "person", "number"],
        sqlite_where=waits,
        postgresql_where=waits,
    )


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
