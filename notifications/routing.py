"""Who gets a notice, by which channel and when. Pure: people, channels, calendar and the time come in, deliveries go out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engine.events import LOGBOOK, Notice, Recipient
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Channel
from notifications.message import GROUP, NOBODY, ORGANISATION, Addressee, Delivery, Planned

ORDER = (
    "wecom_app",
    "email",
    "sms",
)  # by which channel somebody is reached outside, unless he or his school says otherwise
EACH_FOR_HIMSELF = "unconfirmed"  # in an audience: whoever has to know of it and has not said that he does
SOON_WORKDAYS = 3  # due within them, or overdue: reason enough for a message though nothing fired
SHOWN = 12  # of what waits, whatever fired: more than a screen takes
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
    window_from      local times between which messages to people are sent; a major hazard at any hour
    window_until
    order            by which channel somebody is reached outside; what is not among them comes after
    people_choose    which of them people may choose; `inbox` is none but the desk
    quiet_hours      whether people may have them
    """

    public_url: str = "http://127.0.0.1:8000"
    desk_path: str = "/mine"
    digest_at: time = time(7, 40)
    link_days: int = 3
    digest_gathers: timedelta = timedelta(minutes=5)
    window_from: time = time(7, 30)
    window_until: time = time(21)
    order: tuple[str, ...] = ORDER
    people_choose: tuple[str, ...] = ORDER
    quiet_hours: bool = True

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
        leaves_at = opens_day_at(day, zone, school)
        if written_at <= leaves_at and (after is None or day > after) and is_workday(day):
            return DigestTime(day, leaves_at)
        day += timedelta(days=1)
    return DigestTime(day, opens_day_at(day, zone, school))


def opens_day_at(day: date, zone: ZoneInfo, school: SchoolSettings) -> datetime:
    """When the digests of this local day leave."""
    return datetime.combine(day, school.digest_at, zone).astimezone(UTC) + school.digest_gathers


@dataclass(frozen=True, slots=True)
class Preference:
    """What somebody decided about his messages. Quiet hours may go over midnight."""

    channel: str | None = None
    quiet_from: time | None = None
    quiet_until: time | None = None


NO_PREFERENCE = Preference()
DESK = "inbox"


def within(preference: Preference, school: SchoolSettings) -> Preference:
    """As much of it as his school allows (still)."""
    channel = preference.channel if preference.channel in school.people_choose else None
    if not school.quiet_hours:
        return Preference(channel)
    return Preference(channel, preference.quiet_from, preference.quiet_until)


def sent_at(at: datetime, zone: ZoneInfo, school: SchoolSettings, preference: Preference = NO_PREFERENCE) -> datetime:
    """The first instant from `at` on at which a message may be sent to somebody: in the school's hours, and not in his quiet
    ones. Whose quiet hours leave nothing of the school's has none.
    """
    for quiet in (preference, NO_PREFERENCE):
        if _open(at, zone, school, quiet):
            return at
        today = at.astimezone(zone).date()
        edges = [school.window_from, *([] if quiet.quiet_until is None else [quiet.quiet_until])]
        openings = sorted(
            datetime.combine(today + timedelta(days=n), edge, zone).astimezone(UTC) for n in (0, 1) for edge in edges
        )
        for opening in openings:
            if opening > at and _open(opening, zone, school, quiet):
                return opening
    return at


def _open(at: datetime, zone: ZoneInfo, school: SchoolSettings, quiet: Preference) -> bool:
    local = at.astimezone(zone).time()
    if not school.window_from <= local < school.window_until:
        return False
    begins, ends = quiet.quiet_from, quiet.quiet_until
    if begins is None or ends is None or begins == ends:
        return True
    return not (begins <= local < ends if begins < ends else local >= begins or local < ends)


def closes_at(day: date, zone: ZoneInfo, school: SchoolSettings) -> datetime:
    """From when on nothing is sent to people on this local day."""
    return datetime.combine(day, school.window_until, zone).astimezone(UTC)


def workdays_ahead(today: date, count: int, is_workday: Workdays) -> date:
    """The last of so many working days after today."""
    day = today
    for _ in range(LONGEST_BREAK_DAYS):
        if not count:
            break
        day += timedelta(days=1)
        count -= is_workday(day)
    return day


def due_soon(about: Mapping[str, Any], until: date, zone: ZoneInfo) -> bool:
    """Whether the case is due by the end of this local day, or has been for long. Midnight ends the day before it."""
    due_at = about.get("due_at")
    if not due_at:
        return False
    return (datetime.fromisoformat(due_at) - timedelta(microseconds=1)).astimezone(zone).date() <= until


def worst_first(about: Mapping[str, Any]) -> tuple[bool, bool, str, str]:
    """Major before others, then the earliest deadline: an order for `sorted`."""
    due_at = about.get("due_at")
    return about.get("level") != "major", not due_at, due_at or "", str(about.get("number"))


def is_major(notice: Notice) -> bool:
    return notice.about.get("level") == "major"


def not_to_be_silenced(notice: Notice) -> bool:
    """Nobody can choose not to hear of it, or later."""
    return is_major(notice) or notice.reason == "escalation"


@dataclass(frozen=True, slots=True)
class Way:
    """A channel as an organisation can use it.

    account      by which of its accounts; the channel's own name where it needs none
    department   whose group it serves, for a robot; None for the whole organisation
    daily_list   whether that group gets its list of the day
    direct       whether what is direct for the department's people goes to their group too
    in_order     False while the account is left alone because it does not work
    works        False from when it did not until a message was taken, or somebody set it up anew
    """

    channel: Channel
    account: str
    department: str | None = None
    daily_list: bool = False
    direct: bool = False
    in_order: bool = True
    works: bool = True

    @property
    def personal(self) -> bool:
        return self.channel.serves == "person"

    @property
    def outside(self) -> bool:
        return self.channel.outside


@dataclass(frozen=True, slots=True)
class Situation:
    """What routing has to know besides the notice and the people.

    zone          of the organisation
    preferences   of those who decided anything
    unworkable    (person, channel) whose address there is known not to work
    unreached     person → the channels that are written down as not reaching him
    """

    school: SchoolSettings
    zone: ZoneInfo
    ways: Sequence[Way]
    preferences: Mapping[str, Preference] = field(default_factory=dict)
    unworkable: Collection[tuple[str, str]] = ()
    unreached: Mapping[str, Collection[str]] = field(default_factory=dict)

    def preference(self, person: str) -> Preference:
        return within(self.preferences.get(person, NO_PREFERENCE), self.school)

    def sent_at(self, notice: Notice, person: str, at: datetime) -> datetime:
        """When it may be sent to him, from `at` on."""
        if is_major(notice) and notice.how == "direct":
            return at
        quiet = NO_PREFERENCE if not_to_be_silenced(notice) else self.preference(person)
        return sent_at(at, self.zone, self.school, quiet)

    def inside(self, recipient: Recipient) -> list[Way]:
        """His desk, and whatever else stays in the program: he always gets everything there."""
        mine = [way for way in self.ways if way.personal and not way.outside]
        return [way for way in mine if way.channel.address_of(recipient) is not None]

    def outside(
        self, recipient: Recipient, *, silence: bool = True, used: Collection[str] = (), working: bool = False
    ) -> Way | None:
        """The one channel by which he is reached outside: the one he chose, else the school's order; one that is out of order
        only where there is no other. None where there is none, he wants none, or he is away and somebody stands in for him.

        silence   whether he may have chosen his desk alone
        used      channels that were tried in vain
        working   only by one that is not known to be out of order
        """
        chosen = self.preference(recipient.person).channel
        if recipient.away or (silence and chosen == DESK):
            return None
        order = self.school.order

        def rank(way: Way) -> tuple[bool, bool, int]:
            name = way.channel.name
            return not way.in_order, name != chosen, order.index(name) if name in order else len(order)

        open_ = [
            way
            for way in self.reaching(recipient)
            if way.channel.name not in used
            and (recipient.person, way.channel.name) not in self.unworkable
            and (way.works or not working)
        ]
        return min(open_, key=rank, default=None)

    def reaching(self, recipient: Recipient) -> list[Way]:
        """The ways outside at which he has an address, working or not."""
        outside = [way for way in self.ways if way.personal and way.outside]
        return [way for way in outside if way.channel.address_of(recipient) is not None]

    @property
    def reaches_outside(self) -> bool:
        """Whether the school can reach any single person outside."""
        return any(way.personal and way.outside for way in self.ways)


def route(
    notice: Notice, recipients: Sequence[Recipient], situation: Situation, digest: DigestTime, now: datetime
) -> list[Planned]:
    """Every delivery this notice needs, at least one: what reaches nobody is written down as such.

    1. each person, on his desk and by one channel outside: at once in the hours for it, or with the day's digest
    2. what is direct also to the group of his department, where the school wants it there
    3. the organisation itself, by each channel that serves it: always at once, machines read no digests and sleep at no hour
    4. a person without any address, or an audience without any person: a delivery that says so; but a notice that names no
       audience is for the organisation's own channels, where it has one
    """
    shared = [way for way in situation.ways if way.channel.serves == "organisation"]
    planned = []
    for recipient in recipients:
        outside = situation.outside(recipient, silence=not not_to_be_silenced(notice))
        reached_by = [*situation.inside(recipient), *([outside] if outside else [])]
        planned += [to_person(notice, recipient, way, situation, digest, now) for way in reached_by]
        # a school that has nothing but its own hook gets the names with it, and tells people itself
        if not reached_by and (any(way.personal for way in situation.ways) or not shared):
            why = as_kept(answers.NO_ADDRESS, who=recipient.name or recipient.person)
            planned.append(unreachable(notice, why, now, Addressee.person(recipient)))
    planned += _to_groups(notice, recipients, situation, now)
    planned += [
        Planned(notice, Addressee(ORGANISATION), way.channel.name, "direct", "waiting", now,
                told=tuple(recipients), account=way.account)
        for way in shared
    ]  # fmt: skip
    if not recipients and (notice.audience or not shared):
        named = " or ".join(notice.audience)
        why = as_kept(answers.NOBODY_IS, audience=named) if named else as_kept(answers.NOBODY_NAMED)
        planned.append(unreachable(notice, why, now))
    return planned


def to_person(
    notice: Notice, recipient: Recipient, way: Way, situation: Situation, digest: DigestTime, now: datetime
) -> Planned:
    addressee, channel, person = Addressee.person(recipient), way.channel.name, recipient.person
    if notice.how == "direct":
        leaves_at = situation.sent_at(notice, person, now)
        waits = leaves_at > now
        return Planned(
            notice, addressee, channel, "direct", "waiting", leaves_at, account=way.account, looked_at_again=waits
        )
    leaves_at = situation.sent_at(notice, person, digest.leaves_at)
    return Planned(notice, addressee, channel, "digest", "waiting", leaves_at, digest.day, account=way.account)


def _to_groups(notice: Notice, recipients: Sequence[Recipient], situation: Situation, now: datetime) -> list[Planned]:
    """What is direct, to the groups that want it: one message, whoever of the department it is for."""
    if notice.how != "direct" or notice.case == LOGBOOK:
        return []
    planned = []
    for way in situation.ways:
        if way.channel.serves != "place" or not way.direct:
            continue
        meant = [r for r in recipients if not r.away and (way.department is None or r.department == way.department)]
        if meant:
            leaves_at = now if is_major(notice) else sent_at(now, situation.zone, situation.school)
            planned.append(
                Planned(notice, group_of(way), way.channel.name, "direct", "waiting", leaves_at, told=tuple(meant),
                        account=way.account)
            )  # fmt: skip
    return planned


def group_of(way: Way) -> Addressee:
    """A robot's group, as an addressee: no person's key looks like it."""
    return Addressee(f"{GROUP}{way.account}")


def unreachable(notice: Notice, why: str, now: datetime, addressee: Addressee | None = None) -> Planned:
    return Planned(notice, addressee or Addressee(NOBODY), NOBODY, "direct", "unreachable", now, cause=why)


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A delivery that need not be sent any more. `readdress`: the notice still holds, but for somebody else."""

    why: str
    readdress: bool


def overtaken(delivery: Delivery, recipients: Sequence[Recipient], state: str | None) -> Overtaken | None:
    """Whether what waited still has to be sent to this person: between evening and morning the world moves.

    Reminders and escalations of a state the case has left are told all the same, to whom they were meant for: every
    rung that fired is found in a message.
    """
    written = delivery.notice.about.get("state")
    if state is not None and written is not None and state != written:
        moved_on = Overtaken(as_kept(answers.MOVED_ON, state=state), readdress=False)
        return moved_on if delivery.notice.reason == "waiting" else None
    if delivery.addressee.key not in {recipient.person for recipient in recipients}:
        if EACH_FOR_HIMSELF in delivery.notice.audience:  # nobody took it over from him
            return Overtaken(as_kept(answers.CONFIRMED), readdress=False)
        return Overtaken(as_kept(answers.SOMEBODY_ELSE), readdress=True)
    return None
