"""The first shape: what the engine remembers, and what the notifications keep of their deliveries.

Revision 0001. Forward only: a folder is taken back by restoring its backup.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out, not imported from engine.store.tables: what this revision did must not change when that does.
APPEND_ONLY_SQLITE = """
CREATE TRIGGER event_no_{name} BEFORE {verb} ON event
BEGIN SELECT RAISE(ABORT, 'events are append-only: {verb} refused'); END
"""
APPEND_ONLY_POSTGRESQL = """
CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'events are append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE ON event
FOR EACH ROW EXECUTE FUNCTION event_is_append_only();
CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event
FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only()
"""


# what waits is little beside what was settled: the sweeps look into these only
WAITING: dict[str, Any] = {
    "sqlite_where": sa.text("status = 'waiting'"),
    "postgresql_where": sa.text("status = 'waiting'"),
}


def upgrade() -> None:
    op.create_table(
        "answer",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=80), nullable=False),
        sa.Column("route", sa.String(length=160), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "principal", "route", "key", name=op.f("pk_answer")),
    )
    op.create_index("ix_answer_kept", "answer", ["organisation", "kept_until"], unique=False)
    op.create_table(
        "calendar",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "version", name=op.f("pk_calendar")),
    )
    op.create_table(
        "case_record",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("workflow", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("counts_as", sa.String(length=16), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("last_hash", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("department", sa.String(length=32), nullable=True),
        sa.Column("reporter", sa.String(length=64), nullable=True),
        sa.Column("assignee", sa.String(length=64), nullable=True),
        sa.Column("awaits", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calendar_version", sa.Integer(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "counts_as IN ('reported','assigned','fixed','verified','closed')", name=op.f("ck_case_record_counts_as")
        ),
        sa.PrimaryKeyConstraint("organisation", "number", name=op.f("pk_case_record")),
    )
    op.create_index("ix_case_record_assignee", "case_record", ["organisation", "assignee", "final"], unique=False)
    op.create_index("ix_case_record_department", "case_record", ["organisation", "department", "final"], unique=False)
    op.create_index("ix_case_record_open", "case_record", ["organisation", "final", "due_at"], unique=False)
    op.create_index("ix_case_record_opened", "case_record", ["organisation", "opened_at", "number"], unique=False)
    op.create_index(
        "ix_case_record_same", "case_record", ["organisation", "workflow", "place", "category"], unique=False
    )
    op.create_index("ix_case_record_workflow", "case_record", ["organisation", "workflow", "state"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("notice", sa.String(length=160), nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("notice_how", sa.String(length=8), nullable=False),
        sa.Column("addressee", sa.String(length=64), nullable=False),
        sa.Column("addressee_data", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("how", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest_for", sa.String(length=10), nullable=True),
        sa.Column("message", sa.String(length=40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint("how IN ('digest', 'direct')", name=op.f("ck_delivery_how")),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'dead', 'held', 'unreachable', 'withdrawn')",
            name=op.f("ck_delivery_status"),
        ),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "organisation",
            "notice",
            "addressee",
            "channel",
            name=op.f("uq_delivery_organisation_notice_addressee_channel"),
        ),
    )
    op.create_index(
        op.f("ix_delivery_channel_status_not_before"), "delivery", ["channel", "status", "not_before"], unique=False
    )
    op.create_index(
        op.f("ix_delivery_organisation_addressee_channel_digest_for"),
        "delivery",
        ["organisation", "addressee", "channel", "digest_for"],
        unique=False,
    )
    op.create_index(op.f("ix_delivery_organisation_case"), "delivery", ["organisation", "case"], unique=False)
    op.create_index(op.f("ix_delivery_organisation_message"), "delivery", ["organisation", "message"], unique=False)
    op.create_index(
        op.f("ix_delivery_organisation_planned_at"), "delivery", ["organisation", "planned_at"], unique=False
    )
    op.create_table(
        "department",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("external", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "code", name=op.f("pk_department")),
    )
    op.create_table(
        "disclosure",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "number", "sequence", name=op.f("pk_disclosure")),
    )
    op.create_table(
        "event",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("trigger", sa.String(length=64), nullable=False),
        sa.Column("from_state", sa.String(length=64), nullable=True),
        sa.Column("to_state", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=80), nullable=True),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "type IN ('opened','stepped','signed','reminded','linked','recomputed')", name=op.f("ck_event_type")
        ),
        sa.PrimaryKeyConstraint("organisation", "number", "sequence", name=op.f("pk_event")),
    )
    op.create_index("ix_event_recorded", "event", ["organisation", "recorded_at"], unique=False)
    op.create_index("ix_event_type", "event", ["organisation", "type", "recorded_at"], unique=False)
    op.create_table(
        "file",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "sha256", name=op.f("pk_file")),
    )
    op.create_index("ix_file_uploaded", "file", ["organisation", "uploaded_at"], unique=False)
    op.create_table(
        "file_holder",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.CheckConstraint("kind IN ('uploader','case')", name=op.f("ck_file_holder_kind")),
        sa.PrimaryKeyConstraint("organisation", "sha256", "kind", "holder", name=op.f("pk_file_holder")),
    )
    op.create_table(
        "inbox_message",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("how", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("cases", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("how IN ('digest', 'direct')", name=op.f("ck_inbox_message_how")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_inbox_message")),
    )
    op.create_index(
        op.f("ix_inbox_message_organisation_person_read_at_received_at"),
        "inbox_message",
        ["organisation", "person", "read_at", "received_at"],
        unique=False,
    )
    op.create_table(
        "obligation",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("cycle", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("opened_through", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "cycle", "scope", name=op.f("pk_obligation")),
    )
    op.create_table(
        "organisation",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("organisation", name=op.f("pk_organisation")),
    )
    op.create_table(
        "outbox",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('waiting','planned')", name=op.f("ck_outbox_status")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_case", "outbox", ["organisation", "number", "sequence"], unique=False)
    op.create_index("ix_outbox_waiting", "outbox", ["written_at"], unique=False, **WAITING)
    op.create_table(
        "party",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "person", "number", name=op.f("pk_party")),
    )
    op.create_table(
        "period",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("cycle", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('open','reported','late','waived')", name=op.f("ck_period_status")),
        sa.PrimaryKeyConstraint("organisation", "cycle", "scope", "key", name=op.f("pk_period")),
    )
    op.create_index("ix_period_case", "period", ["organisation", "number"], unique=False)
    op.create_table(
        "person",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("department", sa.String(length=32), nullable=True),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "person", name=op.f("pk_person")),
    )
    op.create_table(
        "policy",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("workflow", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "workflow", "version", name=op.f("pk_policy")),
    )
    op.create_table(
        "refusal",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("principal", sa.String(length=80), nullable=False),
        sa.Column("route", sa.String(length=160), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("asked", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_refusal")),
    )
    op.create_index("ix_refusal_at", "refusal", ["organisation", "at"], unique=False)
    op.create_table(
        "role_grant",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "person", "role", "scope", name=op.f("pk_role_grant")),
    )
    op.create_index("ix_role_grant_role", "role_grant", ["organisation", "role", "scope"], unique=False)
    op.create_table(
        "series",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "prefix", "year", name=op.f("pk_series")),
    )
    op.create_table(
        "timer",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rung", sa.String(length=64), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('waiting','fired','skipped','cancelled')", name=op.f("ck_timer_status")),
        sa.PrimaryKeyConstraint("organisation", "number", "generation", "rung", name=op.f("pk_timer")),
    )
    op.create_index("ix_timer_waiting", "timer", ["fire_at"], unique=False, **WAITING)
    op.create_table(
        "token",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "token_hash", name=op.f("pk_token")),
    )
    op.create_index("ix_token_hash", "token", ["token_hash"], unique=True)
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(APPEND_ONLY_SQLITE.format(name=verb.lower(), verb=verb))
    else:
        op.execute(APPEND_ONLY_POSTGRESQL)
