"""Channels as an organisation set them up, how they do, and what people and schools decide about messages.

Revision 0008. An older node goes on beside it: tables of their own, and two columns of deliveries it leaves alone. Forward
only: a folder is taken back by restoring its backup.
"""

import sqlalchemy as sa
from alembic import op

from api.migrations import walls

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NEW = ("channel", "channel_state", "send_slot", "digest", "preference", "message_text", "unreached")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("account", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("delivery", sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True))
    _name_accounts()
    stuck = sa.text("status IN ('dead', 'unreachable')")
    op.create_index(
        "ix_delivery_stuck",
        "delivery",
        ["organisation", "planned_at", "id"],
        sqlite_where=stuck,
        postgresql_where=stuck,
    )
    loose = sa.text("status = 'waiting' AND message IS NULL")
    op.create_index(
        "ix_delivery_loose", "delivery", ["channel", "not_before"], sqlite_where=loose, postgresql_where=loose
    )
    _make_tables()
    if op.get_bind().dialect.name != "sqlite":
        for table in NEW:
            walls.enclose(op.get_bind(), table)


def _name_accounts() -> None:
    """What may still be sent goes by the account that is called as its channel: so the webhook of the settings is."""
    on_server = op.get_bind().dialect.name != "sqlite"
    if on_server:  # the owner of the tables is behind the wall too, and would change no row
        op.execute("ALTER TABLE delivery NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE delivery SET account = channel WHERE status NOT IN ('sent', 'withdrawn')")
    if on_server:
        op.execute("ALTER TABLE delivery FORCE ROW LEVEL SECURITY")


def _make_tables() -> None:
    op.create_table(
        "channel",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("department", sa.String(length=32), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("daily_list", sa.Boolean(), nullable=False),
        sa.Column("direct", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_channel")),
    )
    op.create_table(
        "channel_state",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("full_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listed_for", sa.String(length=10), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("out_of_order", sa.DateTime(timezone=True), nullable=True),
        sa.Column("slowed_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "account", name=op.f("pk_channel_state")),
    )
    op.create_table(
        "send_slot",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "account", "slot", name=op.f("pk_send_slot")),
    )
    op.create_table(
        "digest",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("addressee", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("waiting", sa.JSON(), nullable=False),
        sa.Column("more", sa.Integer(), nullable=False),
        sa.Column("overdue", sa.Integer(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "message", name=op.f("pk_digest")),
    )
    op.create_index(op.f("ix_digest_organisation_addressee_day"), "digest", ["organisation", "addressee", "day"])
    op.create_table(
        "preference",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=True),
        sa.Column("quiet_from", sa.String(length=5), nullable=True),
        sa.Column("quiet_until", sa.String(length=5), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "person", name=op.f("pk_preference")),
    )
    op.create_table(
        "message_text",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("workflow", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "workflow", "name", "locale", name=op.f("pk_message_text")),
    )
    op.create_table(
        "unreached",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "person", "channel", name=op.f("pk_unreached")),
    )


def downgrade() -> None:
    raise NotImplementedError("a folder is taken back by restoring its backup")
