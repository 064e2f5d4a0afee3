"""How somebody wants to be told: by which channel, when not, in which language. Whatever his school does not allow is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import NoReturn

from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.directory import Editor, NotInDirectory
from engine.directory import AT, Person
from engine.errors import FieldFault, InvalidInput, Locale, Text
from engine.events import Recipient
from engine.store import people
from notifications import deliveries, readers
from notifications.channels import Channel
from notifications.routing import DESK, DigestTime, Preference, Situation, next_digest, sent_at

CHOOSING = Text("设置个人消息", "Choose how to be told")
CORRECT = Text("请改正后重新提交", "Correct it and send it again")
DESK_TITLE = Text("只看站内消息", "The desk alone")


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody decides. None for a channel or hours: as his school does it."""

    channel: str | None = None
    quiet_from: time | None = None
    quiet_until: time | None = None
    language: Locale = "zh"

    @property
    def preference(self) -> Preference:
        return Preference(self.channel, self.quiet_from, self.quiet_until)


@dataclass(frozen=True, slots=True)
class Possible:
    """A channel somebody might choose; `why_not` while he cannot."""

    kind: str
    title: Text
    why_not: Text | None


@dataclass(frozen=True, slots=True)
class Reading:
    """How somebody is told.

    possible      what he might choose
    goes_by       the channel by which he is reached outside now; None for his desk alone
    next_digest   when his next message of the day comes, if anything waits for him then
    """

    choice: Choice
    situation: Situation
    possible: Sequence[Possible]
    goes_by: str | None
    next_digest: DigestTime


def reading(runtime: Runtime, connection: Connection, organisation: str, person: str) -> Reading:
    """Raises NotInDirectory for whom the directory does not know as active."""
    found = _active(connection, organisation, person)
    him = runtime.worker.reader(connection, organisation, person)
    if him is None:
        raise _nobody(person)
    recipient, situation = him
    chosen = readers.preferences_of(connection, organisation).get(person, Preference())
    now = runtime.clock.now()
    way = situation.outside(recipient)
    return Reading(
        Choice(chosen.channel, chosen.quiet_from, chosen.quiet_until, _locale(found.locale)),
        situation,
        _possible(runtime.channels, situation, recipient),
        None if way is None else way.channel.name,
        _next_digest(connection, organisation, person, situation, now),
    )


def choose(runtime: Runtime, editor: Editor, person: str, choice: Choice) -> Reading:
    """Write down what he decided. What he decided before already is not written down again.

    Raises    InvalidInput for what his school does not allow, or cannot do; NotInDirectory
    """
    with editor.reading() as connection:
        before = reading(runtime, connection, editor.organisation, person)
    if before.choice == choice:
        return before
    _must_be_allowed(before, choice)

    def apply(connection: Connection) -> None:
        found = _active(connection, editor.organisation, person)
        if choice.language != _locale(found.locale):
            if AT in person:
                _refuse("language", Text("请在本人所属单位设置语言", "it is chosen in one's own organisation"))
            people.update_person(connection, replace(found, locale=choice.language))
        readers.prefer(connection, editor.organisation, person, choice.preference, editor.at)

    editor.does(CHOOSING, "messages_chosen", {"person": person, **told(choice)}, apply)
    with editor.reading() as connection:
        return reading(runtime, connection, editor.organisation, person)


def told(choice: Choice) -> dict[str, str | None]:
    """As JSON has it."""
    return {
        "channel": choice.channel, "quiet_from": _clock(choice.quiet_from), "quiet_until": _clock(choice.quiet_until),
        "language": choice.language,
    }  # fmt: skip


def _clock(at: time | None) -> str | None:
    return None if at is None else f"{at:%H:%M}"


def _possible(channels: Mapping[str, Channel], situation: Situation, him: Recipient) -> list[Possible]:
    here = {way.channel.name for way in situation.ways if way.personal and way.outside}
    reaching = {way.channel.name for way in situation.reaching(him)}
    found = []
    for kind in situation.school.people_choose:
        channel = channels.get(kind)
        title = DESK_TITLE if kind == DESK else channel.title if channel is not None else Text(kind, kind)
        why_not = None
        if kind != DESK and kind not in here:
            why_not = Text("本单位没有启用这个渠道", "your organisation has set up no such channel")
        elif kind != DESK and kind not in reaching:
            why_not = Text("名册中没有您的相应联系方式", "the directory has no address of yours for it")
        found.append(Possible(kind, title, why_not))
    return found


def _must_be_allowed(before: Reading, choice: Choice) -> None:
    school, was = before.situation.school, before.choice
    if choice.channel is not None and choice.channel != was.channel:
        possible = {each.kind: each for each in before.possible}
        if choice.channel not in possible:
            listed = sorted(possible)
            zh, en = "、".join(listed) or "无", ", ".join(listed) or "none"
            _refuse(
                "channel", Text(f"本单位不允许选用；可选：{zh}", f"your organisation does not allow it; there are {en}")
            )
        if (why := possible[choice.channel].why_not) is not None:
            _refuse("channel", why)
    begins, ends = choice.quiet_from, choice.quiet_until
    if (begins is None) != (ends is None):
        missing = "quiet_from" if begins is None else "quiet_until"
        _refuse(missing, Text("免打扰时段须写明起止", "quiet hours need their beginning and their end"))
    if begins is None or (begins, ends) == (was.quiet_from, was.quiet_until):
        return
    if not school.quiet_hours:
        _refuse("quiet_from", Text("本单位不允许设免打扰时段", "your organisation allows no quiet hours"))
    if begins == ends:
        _refuse("quiet_until", Text("起止时间相同", "they begin and end at the same time"))
    day = datetime.combine(date(2020, 1, 1), time())
    minutes = (day + timedelta(minutes=n) for n in range(24 * 60))
    if not any(
        school.window_from <= at.time() < school.window_until and not _quiet(at.time(), choice.preference)
        for at in minutes
    ):
        _refuse(
            "quiet_until",
            Text(
                f"本单位在 {school.window_from:%H:%M} 至 {school.window_until:%H:%M} 之间发送，免打扰时段不能占满",
                f"messages are sent from {school.window_from:%H:%M} to {school.window_until:%H:%M}: leave some of it",
            ),
        )


def _quiet(at: time, preference: Preference) -> bool:
    begins, ends = preference.quiet_from, preference.quiet_until
    assert begins is not None and ends is not None
    return begins <= at < ends if begins < ends else at >= begins or at < ends


def _next_digest(
    connection: Connection, organisation: str, person: str, situation: Situation, now: datetime
) -> DigestTime:
    zone, school = situation.zone, situation.school

    def is_workday(day: date) -> bool:
        return people.is_workday(connection, organisation, day)

    today = now.astimezone(zone).date()
    had = today if deliveries.had_digest(connection, organisation, person, today) else None
    following = next_digest(now, zone, is_workday, school, after=had)
    return DigestTime(following.day, sent_at(following.leaves_at, zone, school, situation.preference(person)))


def _active(connection: Connection, organisation: str, person: str) -> Person:
    found = people.person(connection, organisation, person)
    if found is None or not found.active:
        raise _nobody(person)
    return found


def _locale(said: str) -> Locale:
    return "en" if said == "en" else "zh"


def _nobody(person: str) -> NotInDirectory:
    return NotInDirectory(
        asked=CHOOSING,
        obstacle=Text(
            f"名册中没有在册人员 {person[:130]!r}", f"there is nobody active called {person[:130]!r} in the directory"
        ),
        remedy=Text("请核对名册", "Look it up in the directory"),
    )


def _refuse(where: str, obstacle: Text) -> NoReturn:
    raise InvalidInput(asked=CHOOSING, obstacle=obstacle, remedy=CORRECT, fields=(FieldFault(where, obstacle),))
