"""Who gets a notice, by which channel and when. Pure: people, channels, calendar and the time come in, deliveries go out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.events import Notice, Recipient
from notifications.channels import Channel
from notifications.message import NOBODY, ORGANISATION, Addressee, Delivery, Planned

LONGEST_BREAK_DAYS = 60  # past this a calendar that knows no working day is broken, and people are told all the same

Workdays = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class SchoolSettings:
    """What an organisation decides about its messages.

    public_url       where people open the links, without a slash at the end
    desk_path        what a digest links to: everything that waits for its reader
    digest_at        local time of the day's one message, on working days
    link_days        how long a link that takes a step straight from a message can be used
    digest_gathers   how long the digest waits for what fires at the same minute: reminders are due at 07:40 too, and a
                     sweep some seconds later must not hold them back for a day
    """

    public_url: str = "http://127.0.0.1:8000"
    desk_path: str = "/api/v1/worklist"
    digest_at: time = time(7, 40)
    link_days: int = 3
    digest_gathers: timedelta = timedelta(minutes=5)

    def link(self, path: str) -> str:
        return f"{self.public_url.rstrip('/')}/{path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class DigestTime:
    """The local day of a digest and the instant it leaves."""

    day: date
    leaves_at: datetime


def next_digest(
    written_at: datetime, zone: ZoneInfo, is_workday: Workdays, school: SchoolSettings, *, after: date | None = None
) -> DigestTime:
    """The first digest that can still take what was written at this instant, on a day later than `after`."""
    day = written_at.astimezone(zone).date()
    for _ in range(LONGEST_BREAK_DAYS):
        leaves_at = _leaves_at(day, zone, school)
        if written_at <= leaves_at and (after is None or day > after) and is_workday(day):
            return DigestTime(day, leaves_at)
        day += timedelta(days=1)
    return DigestTime(day, _leaves_at(day, zone, school))


def _leaves_at(day: date, zone: ZoneInfo, school: SchoolSettings) -> datetime:
    return datetime.combine(day, school.digest_at, zone).astimezone(UTC) + school.digest_gathers


@dataclass(frozen=True, slots=True)
class Way:
    """A channel as an organisation can use it.

    account      by which of its accounts; the channel's own name where it needs none
    department   whose group it serves, for a robot; None for the whole organisation
    daily_list   whether that group gets its list of the day
    direct       whether what is direct for the department's people goes to their group too
    """

    channel: Channel
    account: str
    department: str | None = None
    daily_list: bool = False
    direct: bool = False


def route(
    notice: Notice, recipients: Sequence[Recipient], ways: Sequence[Way], digest: DigestTime, now: datetime
) -> list[Planned]:
    """Every delivery this notice needs, at least one: what reaches nobody is written down as such.

    1. each person, by each channel that has an address: at once, or with the day's digest
    2. the organisation itself, by each channel that serves it: always at once, machines read no digests
    3. a person without any address, or an audience without any person: a delivery that says so; but a notice that names no
       audience is for the organisation's own channels, where it has one
    """
    personal = [way for way in ways if way.channel.serves == "person"]
    shared = [way for way in ways if way.channel.serves == "organisation"]
    planned = []
    for recipient in recipients:
        reached_by = [way for way in personal if way.channel.address_of(recipient) is not None]
        planned += [_to_person(notice, recipient, way, digest, now) for way in reached_by]
        # a school that has nothing but its own hook gets the names with it, and tells people itself
        if not reached_by and (personal or not shared):
            why = f"no channel has an address of {recipient.name or recipient.person}"
            planned.append(unreachable(notice, why, now, Addressee.person(recipient)))
    planned += [
        Planned(notice, Addressee(ORGANISATION), way.channel.name, "direct", "waiting", now,
                told=tuple(recipients), account=way.account)
        for way in shared
    ]  # fmt: skip
    if not recipients and (notice.audience or not shared):
        planned.append(unreachable(notice, f"nobody is {' or '.join(notice.audience) or 'named'} here", now))
    return planned


def _to_person(notice: Notice, recipient: Recipient, way: Way, digest: DigestTime, now: datetime) -> Planned:
    addressee, channel = Addressee.person(recipient), way.channel.name
    if notice.how == "direct":
        return Planned(notice, addressee, channel, "direct", "waiting", now, account=way.account)
    return Planned(notice, addressee, channel, "digest", "waiting", digest.leaves_at, digest.day, account=way.account)


def unreachable(notice: Notice, why: str, now: datetime, addressee: Addressee | None = None) -> Planned:
    return Planned(notice, addressee or Addressee(NOBODY), NOBODY, "direct", "unreachable", now, cause=why)


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A delivery that need not be sent any more. `readdress`: the notice still holds, but for somebody else."""

    why: str
    readdress: bool


def overtaken(delivery: Delivery, recipients: Sequence[Recipient], state: str | None) -> Overtaken | None:
    """Whether a line of a digest still has to be sent to this person: between evening and morning the world moves.

    Reminders and escalations of a state the case has left are told all the same, to whom they were meant for: every
    rung that fired is found in a message.
    """
    written = delivery.notice.about.get("state")
    if state is not None and written is not None and state != written:
        moved_on = Overtaken(f"the case has moved on to {state}", readdress=False)
        return moved_on if delivery.notice.reason == "waiting" else None
    if delivery.addressee.key not in {recipient.person for recipient in recipients}:
        return Overtaken("somebody else is in charge now", readdress=True)
    return None
