"""The rows deliveries and desk messages are kept in. They validate nothing; `deliveries.py` is the only one to write them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, PrimaryKeyConstraint, Text, UniqueConstraint
from sqlalchemy import Connection as Connection  # noqa: PLC0414  handed on: the rest of this package has no door to SQL
from sqlmodel import Field, SQLModel

from engine.store.database import UtcDateTime
from notifications.message import STATUSES


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
        Index(None, "organisation", "message"),
        Index(None, "organisation", "addressee", "channel", "digest_for"),
        Index(None, "organisation", "case"),
        Index(None, "organisation", "planned_at"),
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
