"""People as a school has them: a tree of organisations, groups, absences, linked accounts, sign-in, scoped tokens.

Revision 0002. Forward only: a folder is taken back by restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("kind", sa.String(length=16), nullable=False, server_default="school"))
        table.add_column(sa.Column("parent", sa.String(length=64), nullable=True))
        table.create_check_constraint("kind", "kind IN ('bureau','school')")
    with op.batch_alter_table("person") as table:
        table.add_column(sa.Column("staff_number", sa.String(length=32), nullable=True))
        table.add_column(sa.Column("post", sa.String(length=100), nullable=False, server_default=""))
        table.add_column(sa.Column("human", sa.String(length=64), nullable=True))
    op.create_index("ix_person_staff_number", "person", ["organisation", "staff_number"], unique=True)
    op.create_index("ix_person_human", "person", ["human"], unique=False)
    with op.batch_alter_table("refusal") as table:
        table.add_column(sa.Column("on_behalf_of", sa.String(length=80), nullable=True))
    with op.batch_alter_table("file_holder") as table:
        table.add_column(sa.Column("sent_sha256", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("name", sa.String(length=200), nullable=True))
        table.add_column(sa.Column("taken_at", sa.String(length=25), nullable=True))
    op.create_index("ix_file_holder_sent", "file_holder", ["organisation", "sent_sha256"], unique=False)
    with op.batch_alter_table("token") as table:
        table.add_column(sa.Column("allows", sa.String(length=16), nullable=False, server_default="act"))
        table.create_check_constraint("allows", "allows IN ('read','act')")
    op.create_table(
        "working_group",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("least", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "code", name=op.f("pk_working_group")),
    )
    op.create_table(
        "seat",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("rank", sa.String(length=16), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.CheckConstraint("rank IN ('chair','deputy','member')", name=op.f("ck_seat_rank")),
        sa.CheckConstraint("kind IN ('person','role')", name=op.f("ck_seat_kind")),
        sa.PrimaryKeyConstraint("organisation", "code", "kind", "holder", name=op.f("pk_seat")),
    )
    op.create_table(
        "absence",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("delegate", sa.String(length=64), nullable=True),
        sa.Column("duties", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_delegate", "absence", ["organisation", "delegate"], unique=False)
    op.create_table(
        "directory_change",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_directory_change")),
    )
    op.create_table(
        "password",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=200), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "person", name=op.f("pk_password")),
    )
    op.create_table(
        "session",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("session_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "session_hash", name=op.f("pk_session")),
    )
    op.create_index("ix_session_hash", "session", ["session_hash"], unique=True)
    op.create_index("ix_session_person", "session", ["organisation", "person"], unique=False)
    op.create_table(
        "sign_in_try",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "source", name=op.f("pk_sign_in_try")),
    )
