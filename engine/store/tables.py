"""Every table of the engine. Internal rows: they validate nothing; domain values are frozen dataclasses elsewhere.

Each table carries the organisation and each key starts with it, so that a tenant's rows lie together and a query
without the organisation stands out.
"""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Column, Index, LargeBinary, Text, false, text
from sqlmodel import Field, SQLModel

from engine.store.database import UtcDateTime


def _instant(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime, nullable=nullable))


def _json() -> Any:
    return Field(default=None, sa_column=Column(JSON, nullable=False))


def _text() -> Any:
    return Field(default="", sa_column=Column(Text, nullable=False))


def _key(length: int = 64) -> Any:
    return Field(primary_key=True, max_length=length)


class OrganisationRow(SQLModel, table=True):
    """A node of the tree: a bureau, or a school under it. Departments are the leaves."""

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("kind IN ('bureau','school')", name="kind"),)
    organisation: str = _key()
    name_zh: str
    name_en: str
    time_zone: str = Field(max_length=64)
    kind: str = Field(default="school", max_length=16)
    parent: str | None = Field(default=None, max_length=64)


class CalendarRow(SQLModel, table=True):
    """One version of an organisation's calendar, whole: versions are added, never changed."""

    __tablename__ = "calendar"
    organisation: str = _key()
    version: int = Field(primary_key=True)
    body: dict[str, Any] = _json()
    loaded_at: datetime = _instant()


class DepartmentRow(SQLModel, table=True):
    __tablename__ = "department"
    organisation: str = _key()
    code: str = _key(32)
    name_zh: str
    name_en: str
    external: bool = False


class ObligationRow(SQLModel, table=True):
    """A scope owes a cycle between two days. `opened_through` is the last day whose periods have been opened."""

    __tablename__ = "obligation"
    __table_args__ = (Index("ix_obligation_unopened", "cycle", "opened_through"),)
    organisation: str = _key()
    cycle: str = _key()
    scope: str = _key()
    first_day: date
    last_day: date | None = None
    opened_through: date | None = None


class PersonRow(SQLModel, table=True):
    """An account. `human` is the same for every account of one human being; None for who has just this one."""

    __tablename__ = "person"
    __table_args__ = (
        Index("ix_person_staff_number", "organisation", "staff_number", unique=True),
        Index("ix_person_human", "human"),
    )
    organisation: str = _key()
    person: str = _key()
    name: str
    department: str | None = Field(default=None, max_length=32)
    locale: str = Field(default="zh", max_length=2)
    addresses: dict[str, Any] = _json()
    active: bool = True
    staff_number: str | None = Field(default=None, max_length=32)
    post: str = Field(default="", max_length=100)
    human: str | None = Field(default=None, max_length=64)


class RoleGrantRow(SQLModel, table=True):
    """A role held in a scope. `person` may be of another organisation: then it is written `key@organisation`."""

    __tablename__ = "role_grant"
    __table_args__ = (Index("ix_role_grant_role", "organisation", "role", "scope"),)
    organisation: str = _key()
    person: str = _key()
    role: str = _key()
    scope: str = _key(32)
    valid_from: date | None = None
    valid_until: date | None = None


class GroupRow(SQLModel, table=True):
    """A working group; its members hold the role of its name everywhere in the organisation."""

    __tablename__ = "working_group"
    organisation: str = _key()
    code: str = _key()
    name_zh: str
    name_en: str
    least: int = 1


class SeatRow(SQLModel, table=True):
    """A seat in a group: a person's, or that of whoever holds a role."""

    __tablename__ = "seat"
    __table_args__ = (
        CheckConstraint("rank IN ('chair','deputy','member')", name="rank"),
        CheckConstraint("kind IN ('person','role')", name="kind"),
    )
    organisation: str = _key()
    code: str = _key()
    kind: str = _key(16)
    holder: str = _key()
    rank: str = Field(max_length=16)
    valid_from: date | None = None
    valid_until: date | None = None


class AbsenceRow(SQLModel, table=True):
    """Somebody is away for some days, with or without a delegate; `duties` are the roles handed on, empty for all."""

    __tablename__ = "absence"
    __table_args__ = (Index("ix_absence_delegate", "organisation", "delegate"),)
    organisation: str = _key()
    id: str = _key()
    person: str = Field(max_length=64)
    delegate: str | None = Field(default=None, max_length=64)
    duties: list[str] = _json()
    first_day: date
    last_day: date


class DirectoryChangeRow(SQLModel, table=True):
    """What was changed in the directory, by whom and when: who held what on a day three years ago can be shown."""

    __tablename__ = "directory_change"
    organisation: str = _key()
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = _instant()
    by: str = Field(max_length=80)
    what: str = Field(max_length=32)
    about: dict[str, Any] = _json()


class PasswordRow(SQLModel, table=True):
    """What is kept of a password: its slow hash. `must_change` after an administrator set it."""

    __tablename__ = "password"
    organisation: str = _key()
    person: str = _key()
    hash: str = Field(max_length=200)
    changed_at: datetime = _instant()
    must_change: bool = False


class SessionRow(SQLModel, table=True):
    """Somebody signed in at a browser. Only the SHA-256 of the cookie's value is kept."""

    __tablename__ = "session"
    __table_args__ = (
        Index("ix_session_hash", "session_hash", unique=True),
        Index("ix_session_person", "organisation", "person"),
    )
    organisation: str = _key()
    session_hash: str = _key()
    person: str = Field(max_length=64)
    agent: str = Field(default="", max_length=200)
    created_at: datetime = _instant()
    seen_at: datetime = _instant()
    expires_at: datetime = _instant()
    revoked_at: datetime | None = _instant(nullable=True)


class SignInTryRow(SQLModel, table=True):
    """Failed attempts under one name or from one place: `source` is a keyed hash of it, never the thing itself."""

    __tablename__ = "sign_in_try"
    organisation: str = _key()
    source: str = _key()
    failures: int = 0
    last_at: datetime = _instant()


class TokenRow(SQLModel, table=True):
    """An API token. Only its SHA-256 is kept; the prefix is there so that a person can tell his tokens apart."""

    __tablename__ = "token"
    __table_args__ = (
        CheckConstraint("allows IN ('read','act')", name="allows"),
        Index("ix_token_hash", "token_hash", unique=True),
    )
    organisation: str = _key()
    token_hash: str = _key()
    person: str = Field(max_length=64)
    label: str = Field(default="", max_length=100)
    prefix: str = Field(default="", max_length=16)
    allows: str = Field(default="act", max_length=16)
    created_at: datetime = _instant()
    expires_at: datetime | None = _instant(nullable=True)
    revoked_at: datetime | None = _instant(nullable=True)


class SavedViewRow(SQLModel, table=True):
    """A list that a person keeps by a name: what the address of the ledger says, in plain words."""

    __tablename__ = "saved_view"
    organisation: str = _key()
    person: str = _key()
    id: str = _key(16)
    name: str = Field(max_length=60)
    said: list[list[str]] = _json()
    saved_at: datetime = _instant()


class PolicyRow(SQLModel, table=True):
    """The numbers an organisation set for a workflow: versions are added, the highest holds."""

    __tablename__ = "policy"
    organisation: str = _key()
    workflow: str = _key()
    version: int = Field(primary_key=True)
    body: dict[str, Any] = _json()
    set_at: datetime = _instant()
    set_by: str = Field(max_length=64)


_OPEN_BY_DEADLINE = (
    "organisation", "due_at", "number", "workflow", "version", "awaits", "department", "assignee", "reporter",
    "opened_at", "final",  # or SQLite looks it up
)  # fmt: skip
_LEDGER = (
    "organisation", "opened_at", "number", "workflow", "state", "counts_as", "final", "level", "category", "department",
    "assignee", "due_at",
)  # fmt: skip
_WITHIN = (
    "organisation", "within", "opened_at", "number", "workflow", "state", "final", "department", "due_at",
)  # fmt: skip
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)  # of what still is: a comparison finds it, as it does not find NULL
LONG = 15  # of `TrailRow.lasted`: 2^14 days, and whatever still lasts
WORDS = 480  # characters in an index: of four bytes at most, where PostgreSQL takes 2704 bytes an entry


class CaseRow(SQLModel, table=True):
    """A case as it stands: `body` holds it whole, the columns beside it are what lists filter and sort by.

    awaits   ` name name `: roles and relations it waits for, spaces around each so that LIKE finds whole names
    words    what the search looks through, in lower case, of which databases think differently; the first `WORDS` characters
    longer   all of it, where that is more
    taken    of a case that was taken over from an older ledger, which of its lines it is; `since` and `until`, the days that
             ledger claims for it (`engine.case.Claim`)
    within   the campaign it was opened in
    """

    __tablename__ = "case_record"
    __table_args__ = (
        CheckConstraint("counts_as IN ('reported','assigned','fixed','verified','closed')", name="counts_as"),
        # worklists, what is overdue, and which definitions open cases need: of open cases alone, so closing one takes it out
        Index(
            "ix_case_record_open",
            *_OPEN_BY_DEADLINE,
            sqlite_where=text("NOT final"),
            postgresql_where=text("NOT final"),
        ),
        Index("ix_case_record_same", "organisation", "workflow", "place", "category"),
        # every list: its order, and behind it whatever lists filter by, so that what is left out is never looked up itself
        # (a look-up costs a page, and there are as many as the school has cases)
        Index("ix_case_record_ledger", *_LEDGER),
        # every search: the same with the words, and the few cases that have more of them than an index takes
        Index("ix_case_record_words", "organisation", "opened_at", "number", "department", "words"),
        Index(
            "ix_case_record_longer",
            "organisation",
            "opened_at",
            "number",
            sqlite_where=text("longer IS NOT NULL"),
            postgresql_where=text("longer IS NOT NULL"),
        ),
        # what was taken over from older ledgers, by the year it belongs to: no other case costs it anything
        Index(
            "ix_case_record_taken",
            "organisation",
            "since",
            "until",
            "number",
            "taken",
            sqlite_where=text("taken IS NOT NULL"),
            postgresql_where=text("taken IS NOT NULL"),
        ),
        # what was opened in campaigns, with what is counted of it: no other case costs it anything
        Index(
            "ix_case_record_within",
            *_WITHIN,
            sqlite_where=text("within IS NOT NULL"),
            postgresql_where=text("within IS NOT NULL"),
        ),
    )
    organisation: str = _key()
    number: str = _key()
    workflow: str = Field(max_length=64)
    version: int
    state: str = Field(max_length=64)
    counts_as: str = Field(max_length=16)
    final: bool
    revision: int
    sequence: int
    last_hash: str = Field(max_length=64)
    title: str
    place: str
    category: str = Field(max_length=64)
    level: str = Field(max_length=32)
    department: str | None = Field(default=None, max_length=32)
    reporter: str | None = Field(default=None, max_length=64)
    assignee: str | None = Field(default=None, max_length=64)
    awaits: str = _text()
    words: str = _text()
    longer: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    opened_at: datetime = _instant()
    closed_at: datetime | None = _instant(nullable=True)
    due_at: datetime | None = _instant(nullable=True)
    calendar_version: int | None = None
    taken: str | None = Field(default=None, max_length=64)
    since: str | None = Field(default=None, max_length=10)
    until: str | None = Field(default=None, max_length=10)
    within: str | None = Field(default=None, max_length=64)
    body: dict[str, Any] = _json()


class PartyRow(SQLModel, table=True):
    """A person who is or was part of a case, and so may see it. `waits`: the case waits for him by name, to confirm."""

    __tablename__ = "party"
    __table_args__ = (
        # everybody's desk asks for his own: of those alone that wait, so confirming takes one out
        Index(
            "ix_party_waits",
            "organisation",
            "person",
            "number",
            sqlite_where=text("waits"),
            postgresql_where=text("waits"),
        ),
    )
    organisation: str = _key()
    person: str = _key()
    number: str = _key()
    waits: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class EventRow(SQLModel, table=True):
    """An event, append-only: triggers refuse UPDATE and DELETE. `envelope` holds the very bytes that were hashed.

    Found by its key alone: whatever else is asked of events is asked of the trail, so that recording one costs no index.
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(
            "type IN ('opened','stepped','signed','reminded','linked','recomputed','noted')",
            name="type",
        ),
    )
    organisation: str = _key()
    number: str = _key()
    sequence: int = Field(primary_key=True)
    type: str = Field(max_length=16)
    trigger: str = Field(max_length=64)
    from_state: str | None = Field(default=None, max_length=64)
    to_state: str = Field(max_length=64)
    recorded_at: datetime = _instant()
    actor: str = Field(max_length=80)
    on_behalf_of: str | None = Field(default=None, max_length=80)
    envelope: str = _text()
    hash: str = Field(max_length=64)


class DisclosureRow(SQLModel, table=True):
    """What an event's commitments stand for: name → salt and value. The only table personal data may be erased from."""

    __tablename__ = "disclosure"
    organisation: str = _key()
    number: str = _key()
    sequence: int = Field(primary_key=True)
    entries: dict[str, Any] = _json()


class UnnumberedRow(SQLModel, table=True):
    """An event that has no number in the trail yet: written with it, taken out by whoever numbers it."""

    __tablename__ = "unnumbered"
    __table_args__ = ({"sqlite_with_rowid": False},)  # the key is all there is to it
    organisation: str = _key()
    number: str = _key()
    sequence: int = Field(primary_key=True)


#: of the events after which a case stood otherwise than before, as lists filter it: a list as of an instant finds those
#: that lasted over it, by how long they lasted (`lasted`), which says how soon after the instant they have to have ended.
_LASTED = text("until > recorded_at")
_AS_OF = ("opened_at", "number", "workflow", "state", "counts_as", "final", "level", "category", "department", "assignee",
          "due_at")  # fmt: skip
#: of what is seldom: any step is found soon among all events, a correction of a deadline is not
_NO_STEP = text("type <> 'stepped'")


class TrailRow(SQLModel, table=True):
    """An event in the trail of its organisation, where it is found by whatever is asked of events, and is a leaf of the tree.

    Made from events, afterwards and in order (`engine.sealing`): what is asked for by auditors costs no command anything.

    position    from 0, without gaps: which leaf
    until       when the case stood otherwise than after this event; `FOREVER` for as it stands now, `recorded_at` where
                nothing that lists filter by was changed
    lasted      how long that was: the binary digits of its whole days, `LONG` for whatever lasted longer or still does
    hash        of the envelope, 32 bytes: what the leaf is made of
    workflow …  as the case stood after the event; empty where the event belongs to no case
    """

    __tablename__ = "trail"
    __table_args__ = (
        Index("ix_trail_event", "organisation", "number", "sequence", unique=True),
        # every question about events by time, with whatever else they are asked by
        Index("ix_trail_recorded", "organisation", "recorded_at", "position", "number", "trigger", "type", "actor",
              "on_behalf_of", "workflow", "department"),
        Index("ix_trail_actor", "organisation", "actor", "recorded_at", "position"),
        Index("ix_trail_represented", "organisation", "on_behalf_of", "recorded_at", "position",
              sqlite_where=text("on_behalf_of IS NOT NULL"), postgresql_where=text("on_behalf_of IS NOT NULL")),
        Index("ix_trail_trigger", "organisation", "trigger", "recorded_at", "position"),
        Index("ix_trail_type", "organisation", "type", "recorded_at", "position",
              sqlite_where=_NO_STEP, postgresql_where=_NO_STEP),
        Index("ix_trail_department", "organisation", "department", "recorded_at", "position"),
        Index("ix_trail_until", "organisation", "lasted", "until", "recorded_at", *_AS_OF,
              sqlite_where=_LASTED, postgresql_where=_LASTED),
    )  # fmt: skip
    organisation: str = _key()
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: str = Field(max_length=64)
    sequence: int
    recorded_at: datetime = _instant()
    until: datetime = _instant()
    lasted: int = 0
    type: str = Field(max_length=16)
    trigger: str = Field(max_length=64)
    actor: str = Field(max_length=80)
    on_behalf_of: str | None = Field(default=None, max_length=80)
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    workflow: str = Field(default="", max_length=64)
    state: str = Field(default="", max_length=64)
    counts_as: str = Field(default="", max_length=16)
    final: bool = False
    level: str = Field(default="", max_length=32)
    category: str = Field(default="", max_length=64)
    department: str | None = Field(default=None, max_length=32)
    assignee: str | None = Field(default=None, max_length=64)
    reporter: str | None = Field(default=None, max_length=64)
    due_at: datetime | None = _instant(nullable=True)
    opened_at: datetime | None = _instant(nullable=True)


class TreeNodeRow(SQLModel, table=True):
    """The hash of a whole subtree of the trail, of 256, 65,536, … leaves (`level` 8, 16, …), so that nobody need hash all of
    them again. Every node in between is a short way from these.
    """

    __tablename__ = "tree_node"
    organisation: str = _key()
    level: int = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


class CheckpointRow(SQLModel, table=True):
    """What was said about the tree and signed, `body` byte by byte (`engine.audit.Checkpoint`)."""

    __tablename__ = "checkpoint"
    organisation: str = _key()
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = _instant()
    key: str = Field(max_length=64)
    body: str = _text()
    signature: str = Field(max_length=128)


class SealKeyRow(SQLModel, table=True):
    """A public key that checkpoints were or are signed with. What signs lies in the data folder, never here."""

    __tablename__ = "seal_key"
    organisation: str = _key()
    key: str = _key()  # the fingerprint: hex SHA-256 of the 32 bytes
    public: str = Field(max_length=64)
    since: datetime = _instant()
    until: datetime | None = _instant(nullable=True)


class TimerRow(SQLModel, table=True):
    """A rung of one generation of a case's clock. Its key is the claim: a rung can only be told once."""

    __tablename__ = "timer"
    __table_args__ = (
        CheckConstraint("status IN ('waiting','fired','skipped','cancelled')", name="status"),
        Index(
            "ix_timer_waiting",
            "fire_at",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
    )
    organisation: str = _key()
    number: str = _key()
    generation: int = Field(primary_key=True)
    rung: str = _key()
    fire_at: datetime = _instant()
    status: str = Field(default="waiting", max_length=16)
    settled_at: datetime | None = _instant(nullable=True)


class PeriodRow(SQLModel, table=True):
    """What a cycle owed for one scope and one civil key. There is a row also when nobody reported."""

    __tablename__ = "period"
    __table_args__ = (
        CheckConstraint("status IN ('open','reported','late','waived')", name="status"),
        Index("ix_period_case", "organisation", "number"),
    )
    organisation: str = _key()
    cycle: str = _key()
    scope: str = _key()
    key: str = _key()
    opens_at: datetime = _instant()
    due_at: datetime = _instant()
    opened_at: datetime = _instant()
    number: str = Field(max_length=64)
    status: str = Field(default="open", max_length=16)
    reported_at: datetime | None = _instant(nullable=True)
    zero: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    corrected_at: datetime | None = _instant(nullable=True)


class OutboxRow(SQLModel, table=True):
    """Something to tell, written with the event it speaks of; the delivery worker claims it by lease and fence."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("status IN ('waiting','planned')", name="status"),
        Index(
            "ix_outbox_waiting",
            "written_at",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
        Index("ix_outbox_case", "organisation", "number", "sequence"),
    )
    organisation: str = _key()
    id: str = _key(128)
    number: str = Field(max_length=64)
    sequence: int
    reason: str = Field(max_length=32)
    audience: list[str] = _json()
    how: str = Field(max_length=16)
    about: dict[str, Any] = _json()
    written_at: datetime = _instant()
    status: str = Field(default="waiting", max_length=16)
    lease_until: datetime | None = _instant(nullable=True)
    fence: int = 0


class AnswerRow(SQLModel, table=True):
    """What an idempotency key stands for: the request's hash and the event it made; the answer is rendered from there."""

    __tablename__ = "answer"
    __table_args__ = (Index("ix_answer_kept", "organisation", "kept_until"),)
    organisation: str = _key()
    principal: str = _key(80)
    route: str = _key(160)
    key: str = _key(128)
    request_hash: str = Field(max_length=64)
    number: str = Field(max_length=64)
    sequence: int
    kept_until: datetime = _instant()


class RefusalRow(SQLModel, table=True):
    """A command of a signed-in person that was refused. A log of its own, outside the chains of the cases."""

    __tablename__ = "refusal"
    __table_args__ = (
        # every question about refusals by time, with whatever else they are asked by; and those of a case, or of few
        Index("ix_refusal_at", "organisation", "at", "id", "number", "principal", "on_behalf_of", "asked"),
        Index("ix_refusal_number", "organisation", "number", "at", "id",
              sqlite_where=text("number IS NOT NULL"), postgresql_where=text("number IS NOT NULL")),
    )  # fmt: skip
    organisation: str = _key()
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = _instant()
    principal: str = Field(max_length=80)
    on_behalf_of: str | None = Field(default=None, max_length=80)
    route: str = Field(default="", max_length=160)
    number: str | None = Field(default=None, max_length=64)
    asked: str = Field(max_length=64)
    code: str = Field(max_length=32)
    reason: str = Field(default="", max_length=64)
    sentence: str = _text()


class SeriesRow(SQLModel, table=True):
    """The last number drawn of a series in a year. Numbers are drawn inside the command's transaction: no gaps."""

    __tablename__ = "series"
    organisation: str = _key()
    prefix: str = _key(32)
    year: int = Field(primary_key=True)
    last: int


class FileRow(SQLModel, table=True):
    """An uploaded file, named by the hash of its content. `uploaded_at` is the last time somebody sent it.

    erased    the logbook's event that says that its bytes were cleared, by its sequence; None of one that is there
    """

    __tablename__ = "file"
    __table_args__ = (Index("ix_file_uploaded", "organisation", "uploaded_at"),)
    organisation: str = _key()
    sha256: str = _key()
    media_type: str = Field(max_length=128)
    size_bytes: int
    uploaded_at: datetime = _instant()
    erased: int | None = None


class FileHolderRow(SQLModel, table=True):
    """Who may fetch a file: each who uploaded it, and whoever may see a case that uses it. One without a case is swept.

    Of an uploader also what he sent: the hash before it was drawn anew, what he called it, when the camera says it was.
    """

    __tablename__ = "file_holder"
    __table_args__ = (
        CheckConstraint("kind IN ('uploader','case')", name="kind"),
        Index("ix_file_holder_sent", "organisation", "sent_sha256"),
    )
    organisation: str = _key()
    sha256: str = _key()
    kind: str = _key(16)
    holder: str = _key(80)
    sent_sha256: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, max_length=200)
    taken_at: str | None = Field(default=None, max_length=25)


class PlaceLabelRow(SQLModel, table=True):
    """A label on a wall, by which a hazard at this place is reported. What its code holds is drawn from a key of the data
    folder and kept as a hash: who has the database alone can make no label out of it.
    """

    __tablename__ = "place_label"
    __table_args__ = (Index("ix_place_label_token", "token_hash", unique=True),)
    organisation: str = _key()
    id: str = _key(16)
    place: str = Field(max_length=60)
    token_hash: str = Field(max_length=64)
    made_at: datetime = _instant()
    made_by: str = Field(max_length=80)
    revoked_at: datetime | None = _instant(nullable=True)
    revoked_by: str | None = Field(default=None, max_length=80)


class FeedRow(SQLModel, table=True):
    """A secret link to a calendar for a telephone: what waits for somebody, or what a department has to do as far as he may
    see it. Its token is drawn from a key of the data folder and kept as a hash; `fetched_on` is a local day.
    """

    __tablename__ = "feed"
    __table_args__ = (Index("ix_feed_token", "token_hash", unique=True),)
    organisation: str = _key()
    person: str = _key()
    id: str = _key(16)
    department: str | None = Field(default=None, max_length=64)
    token_hash: str = Field(max_length=64)
    made_at: datetime = _instant()
    fetched_on: date | None = None
    revoked_at: datetime | None = _instant(nullable=True)


class StrangersCountRow(SQLModel, table=True):
    """How many reports strangers sent on a local day: at a place, from an address, to the whole school. Of an address only a
    hash that nobody can trace back without a key of the data folder, another one each day.
    """

    __tablename__ = "strangers_count"
    organisation: str = _key()
    day: str = _key(10)
    source: str = _key(80)
    reports: int


class PaperTemplateRow(SQLModel, table=True):
    """The Word file that a school fills in for a kind of paper instead of the one that comes with the program."""

    __tablename__ = "paper_template"
    organisation: str = _key()
    paper: str = _key(32)
    content: bytes = Field(sa_type=LargeBinary)
    sha256: str = Field(max_length=64)
    kept_at: datetime = _instant()
    kept_by: str = Field(max_length=80)
