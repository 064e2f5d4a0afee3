"""Room for the longest name of a media type: that of a Word document has 71 characters.

Revision 0003. Forward only: a folder is taken back by restoring its backup. SQLite never minded; PostgreSQL does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("file") as table:
        table.alter_column(
            "media_type", existing_type=sa.String(length=64), type_=sa.String(length=128), existing_nullable=False
        )
