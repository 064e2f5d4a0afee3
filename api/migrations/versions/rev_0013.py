"""Whether what a period owed was a zero report, and when it was corrected.

Revision 0013. An older node goes on beside it: what it writes says of neither. Months that were reported before are looked
through once, since a round that found nothing was a zero report then, too. Forward only: a folder is taken back by restoring
its backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: a round in which nothing failed
ZERO = {
    "sqlite": (
        "UPDATE period SET zero = TRUE WHERE cycle = 'dept_check_month' AND status IN ('reported', 'late') AND EXISTS ("
        " SELECT 1 FROM case_record c WHERE c.organisation = period.organisation AND c.number = period.number"
        " AND json_extract(c.body, '$.facts.findings') = 0)"
    ),
    "postgresql": (
        "UPDATE period SET zero = TRUE WHERE cycle = 'dept_check_month' AND status IN ('reported', 'late') AND EXISTS ("
        " SELECT 1 FROM case_record c WHERE c.organisation = period.organisation AND c.number = period.number"
        " AND c.body -> 'facts' ->> 'findings' = '0')"
    ),
}


def upgrade() -> None:
    op.add_column("period", sa.Column("zero", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("period", sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True))
    connection = op.get_bind()
    behind = ("case_record", "period") if connection.dialect.name != "sqlite" else ()
    for table in behind:  # the owner of the tables is behind the wall too, and would change no row
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    connection.execute(sa.text(ZERO[connection.dialect.name]))
    for table in behind:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
