"""The rows deliveries and desk messages are kept in. They validate nothing; `deliveries.py` is the only one to write them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, PrimaryKeyConstraint, Text, UniqueConstraint, text
from sqlalchemy import Connection as Connection  # noqa: PLC0414  handed on: the rest of this package has no door to SQL
from sqlmodel import Field, SQLModel

from engine.store.database import UtcDateTime
from notifications.message import STATUSES, STUCK

IS_STUCK = text(f"status IN ({', '.join(map(repr, STUCK))})")
IS_LOOSE = text("status = 'waiting' AND message IS NULL")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class DeliveryRow(SQLModel, table=True):
    """One notice to one addressee by one channel."""

    __tablename__ = "delivery"
    __table_args__ = (
        PrimaryKeyConstraint("organisation", "id"),
        UniqueConstraint("organisation", "notice", "addressee", "channel"),
        CheckConstraint(_one_of("status", STATUSES), name="status"),
        CheckConstraint("how IN ('digest', 'direct')", name="how"),
        # what is due on a channel, over all organisations: read at every round
        Index(None, "channel", "status", "not_before"),
        # what is no message yet: looked for at every round, and not to be sought among the thousands that are
        Index("ix_delivery_loose", "channel", "not_before", sqlite_where=IS_LOOSE, postgresql_where=IS_LOOSE),
        Index(None, "organisation", "message"),
        Index(None, "organisation", "addressee", "channel", "digest_for"),
        Index(None, "organisation", "case"),
        Index(None, "organisation", "planned_at"),
        # of the many what goes nowhere by itself: listed, counted by cause and sent again
        Index(
            "ix_delivery_stuck", "organisation", "planned_at", "id", sqlite_where=IS_STUCK, postgresql_where=IS_STUCK
        ),
    )

    organisation: str = Field(max_length=64)
    id: str = Field(max_length=40)
    # the notice, whole: the text is written from it at the moment of sending
    notice: str = Field(max_length=160)
    case: str = Field(max_length=32)
    sequence: int
    reason: str = Field(max_length=32)
    audience: list[str] = Field(sa_column=Column(JSON, nullable=False))
    written_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    about: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    notice_how: str = Field(max_length=8)
    # to whom and by which way
    addressee: str = Field(max_length=64)
    addressee_data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    told: list[dict[str, str]] = Field(sa_column=Column(JSON, nullable=False))
    channel: str = Field(max_length=32)
    how: str = Field(max_length=8)
    # where it stands
    status: str = Field(max_length=16)
    not_before: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    digest_for: str | None = Field(default=None, max_length=10)
    message: str | None = Field(default=None, max_length=40)
    attempts: int = 0
    fence: int = 0
    lease_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    planned_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    sent_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    answer: str | None = Field(default=None, sa_column=Column(Text))
    # by which of the organisation's accounts with the channel; "" for what needs none
    account: str = Field(default="", max_length=32, sa_column_kwargs={"server_default": ""})
    acknowledged_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class InboxMessageRow(SQLModel, table=True):
    """A message on somebody's desk. `id` is the message's key, so a second copy finds its place taken."""

    __tablename__ = "inbox_message"
    __table_args__ = (
        PrimaryKeyConstraint("organisation", "id"),
        CheckConstraint("how IN ('digest', 'direct')", name="how"),
        Index(None, "organisation", "person", "read_at", "received_at"),
    )

    organisation: str = Field(max_length=64)
    id: str = Field(max_length=40)
    person: str = Field(max_length=64)
    how: str = Field(max_length=8)
    subject: str = Field(sa_column=Column(Text, nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    link: str | None = Field(default=None, sa_column=Column(Text))
    cases: list[str] = Field(sa_column=Column(JSON, nullable=False))
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    read_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ChannelRow(SQLModel, table=True):
    """A channel as an organisation set it up. `secrets` is sealed; whoever has the database alone cannot read it.

    department    whose group it serves, for a robot; None for the whole organisation
    revision      grows with every change
    daily_list    whether it gets the department's list of the day, by name
    direct        whether what is direct for the department's people goes there too
    """

    __tablename__ = "channel"
    __table_args__ = (PrimaryKeyConstraint("organisation", "id"),)

    organisation: str = Field(max_length=64)
    id: str = Field(max_length=32)
    kind: str = Field(max_length=32)
    title: str = Field(max_length=100)
    department: str | None = Field(default=None, max_length=32)
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    secrets: bytes
    enabled: bool = True
    daily_list: bool = False
    direct: bool = False
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    revision: int = 1


class ChannelStateRow(SQLModel, table=True):
    """How an account does, over all workers.

    failures       tries in a row after which the account itself did not work
    paused_until   it is left alone until then: it does not work, or the service asked for it
    full_until     the service takes no more before, by the limit that is kept here
    listed_for     the local day whose list was planned last
    since          since when it works, or fails, as it does now
    out_of_order   since when it says of itself that somebody has to mend it
    slowed_since   since when it has asked for patience and taken nothing
    """

    __tablename__ = "channel_state"
    __table_args__ = (PrimaryKeyConstraint("organisation", "account"),)

    organisation: str = Field(max_length=64)
    account: str = Field(max_length=32)
    failures: int = 0
    paused_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    full_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    answer: str | None = Field(default=None, sa_column=Column(Text))
    failed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    worked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    listed_for: str | None = Field(default=None, max_length=10)
    since: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    out_of_order: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    slowed_since: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class SendSlotRow(SQLModel, table=True):
    """One of as many sends as a service takes in its span of time, and when it can be used again."""

    __tablename__ = "send_slot"
    __table_args__ = (PrimaryKeyConstraint("organisation", "account", "slot"),)

    organisation: str = Field(max_length=64)
    account: str = Field(max_length=32)
    slot: int = Field(sa_column_kwargs={"autoincrement": False})
    free_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class DigestRow(SQLModel, table=True):
    """What a person's message of the day says besides the lines that are deliveries: what waits for him anyway.

    waiting   the cases' `about`, worst first; only as many as the message may show
    more      how many wait besides
    overdue   how many of those are
    A row for `ORGANISATION` says that the messages of this local day were begun there.
    """

    __tablename__ = "digest"
    __table_args__ = (
        PrimaryKeyConstraint("organisation", "message"),
        Index(None, "organisation", "addressee", "day"),
    )

    organisation: str = Field(max_length=64)
    message: str = Field(max_length=40)
    channel: str = Field(max_length=32)
    addressee: str = Field(max_length=64)
    day: str = Field(max_length=10)
    waiting: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    more: int = 0
    overdue: int = 0
    bound_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class PreferenceRow(SQLModel, table=True):
    """What a person decided about his messages, within what his school allows. Local times, as HH:MM."""

    __tablename__ = "preference"
    __table_args__ = (PrimaryKeyConstraint("organisation", "person"),)

    organisation: str = Field(max_length=64)
    person: str = Field(max_length=64)
    channel: str | None = Field(default=None, max_length=32)
    quiet_from: str | None = Field(default=None, max_length=5)
    quiet_until: str | None = Field(default=None, max_length=5)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class MessageTextRow(SQLModel, table=True):
    """A text the school words itself: of one workflow, or of all where `workflow` is empty."""

    __tablename__ = "message_text"
    __table_args__ = (PrimaryKeyConstraint("organisation", "workflow", "name", "locale"),)

    organisation: str = Field(max_length=64)
    workflow: str = Field(default="", max_length=64)
    name: str = Field(max_length=32)
    locale: str = Field(max_length=2)
    text: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class UnreachedRow(SQLModel, table=True):
    """Somebody whom a channel does not reach: the address there is does not work; or, where `channel` is empty, he has none
    at any of them. `told_at`: when it climbed.

    address   a hash of the one that does not work: another one is tried
    """

    __tablename__ = "unreached"
    __table_args__ = (PrimaryKeyConstraint("organisation", "person", "channel"),)

    organisation: str = Field(max_length=64)
    person: str = Field(max_length=64)
    channel: str = Field(max_length=32)
    address: str = Field(default="", max_length=16)
    cause: str = Field(sa_column=Column(Text, nullable=False))
    since: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    told_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
