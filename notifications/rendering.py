"""What a message says, in the reader's language. Pure: facts, the reader, the zone and the present instant come in.

The words lie in `templates/{locale}/{reason}.txt`: the first line is the subject, the rest the body. Templates know no
code, so that a school can be given them to edit: `{fact}` stands for a fact, and a part in `[square brackets]` is left
out when a fact it names is missing, or gives way to what stands behind its bar: `[{place}|not stated]`. A fact outside
brackets is required. A line of which nothing is left disappears. `{reason}.{workflow}.txt` speaks of one workflow alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

from engine.errors import Locale, Text
from engine.events import LOGBOOK, REASONS, WITHOUT_CASE, Notice, in_the_name_of
from notifications.message import DAY, GROUP, Addressee, Claimed, Outgoing, Rest, Words
from notifications.routing import SchoolSettings

LEVELS: Mapping[str, Text] = {"major": Text("重大", "major"), "general": Text("一般", "general")}
WEEKDAYS = {"zh": "一二三四五六日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)  # strftime asks the machine's locale

#: every fact a template may name
FACTS = frozenset({
    "name", "number", "workflow", "title", "place", "level", "major", "state", "step", "actor", "awaits",
    "due", "left", "provisional", "skipped", "kind", "to_do", "link", "when", "acknowledge", "unconfirmed",
    "count", "overdue", "today", "lines", "more", "position", "department", "person",
    "from", "until", "done_count", "waiting_count", "who", "cause", "since",
})  # fmt: skip

#: a phone's screen: what is longer is not read
SCREEN_ROWS = 14
SCREEN_COLUMNS = 40  # of Latin letters; Chinese characters take two

#: columns for what people typed, which may be as long as a screen by itself
LONGEST = {
    "name": 24,
    "title": 42,
    "place": 30,
    "actor": 36,
    "awaits": 28,
    "state": 24,
    "step": 24,
    "person": 24,
    "unconfirmed": 60,
}
SHORTEST = {"title": 28, "place": 16}  # in a list


class TemplateFault(Exception):
    """A template cannot be used as it is written; the sentence names the place, and in English the file."""

    def __init__(self, name: str, text: Text) -> None:
        super().__init__(f"{name}, {text.en}")
        self.text = text


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of a line: text with facts in it; if optional and a fact is missing, `instead` stands there."""

    text: str
    needs: tuple[str, ...]
    optional: bool
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template taken apart. `required` are the facts it cannot do without."""

    name: str
    lines: tuple[tuple[_Part, ...], ...]

    @property
    def required(self) -> frozenset[str]:
        return frozenset(fact for line in self.lines for part in line if not part.optional for fact in part.needs)

    @property
    def named(self) -> frozenset[str]:
        """Every fact it speaks of, where it is known."""
        return frozenset(fact for line in self.lines for part in line for fact in part.needs)

    @property
    def surely_said(self) -> frozenset[str]:
        """The facts that stand there themselves, or have something in their place where they are not known."""
        spoken = [part for line in self.lines for part in line if not part.optional or part.instead]
        # in one group, one that is missing takes the other with it; but for day and days left, which are known together
        alone = (part for part in spoken if len(part.needs) == 1 or set(part.needs) == {"due", "left"})
        return frozenset(fact for part in alone for fact in part.needs) | self.required

    @property
    def subject_without_facts(self) -> str:
        """What is left of the subject when nothing optional is known."""
        return "".join(part.instead if part.optional else part.text for part in self.lines[0])

    def fill(self, facts: Mapping[str, str]) -> tuple[str, str]:
        """Subject and body. Raises TemplateFault when a required fact is missing."""
        missing = sorted(self.required - facts.keys())
        if missing:
            raise TemplateFault(
                self.name,
                Text(
                    f"需要 {'、'.join(missing)}，而通知里没有；请放进 [ ]",
                    f"it needs {', '.join(missing)}, and the notice does not say: put it in [ ]",
                ),
            )
        filled = [_fill_line(line, facts) for line in self.lines]
        return filled[0], "\n".join(
            text for line, text in zip(self.lines[1:], filled[1:], strict=True) if text or not line
        ).strip()


_FACT = re.compile(r"\{([a-z_]+)\}")
_PIECES = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)|(.)")


def parse(name: str, source: str) -> Template:
    """Raises TemplateFault for an unknown fact, a bracket without its partner, or a subject that is missing."""
    lines = source.strip("\n").split("\n")
    if not lines[0].strip():
        raise TemplateFault(name, Text("没有标题：第一行就是标题", "it has no subject: the first line is the subject"))
    return Template(name, tuple(_parse_line(name, number, line) for number, line in enumerate(lines, start=1)))


def _parse_line(name: str, number: int, line: str) -> tuple[_Part, ...]:
    def fault(zh: str, en: str) -> TemplateFault:
        return TemplateFault(name, Text(f"第 {number} 行：{zh}", f"line {number}: {en}"))

    parts = []
    for piece in _PIECES.finditer(line):
        if piece[3]:
            raise fault(f"“{piece[3]}” 没有成对", f"{piece[3]!r} has no partner")
        text = piece[1] if piece[1] is not None else piece[2]
        needs = tuple(_FACT.findall(text))
        if unknown := sorted(set(needs) - FACTS):
            known = sorted(FACTS)
            raise fault(
                f"没有叫 {{{unknown[0]}}} 的内容，可用的有 {'、'.join(known)}",
                f"no fact is called {unknown[0]!r}; there are {', '.join(known)}",
            )
        if "{" in _FACT.sub("", text) or "}" in _FACT.sub("", text):
            raise fault(f"“{text}” 里的花括号没有成对", f"a brace has no partner in {text!r}")
        optional = piece[1] is not None
        text, bar, instead = text.partition("|") if optional else (text, "", "")
        if _FACT.search(instead) or "|" in instead:
            raise fault(f"“{piece[0]}” 的竖线后面只能写文字", f"behind the bar of {piece[0]!r} stand plain words")
        if bar and not needs:
            raise fault(f"“{piece[0]}” 的竖线前面没有内容", f"no fact stands before the bar of {piece[0]!r}")
        parts.append(_Part(text, needs, optional, instead))
    return tuple(parts)


def _fill_line(line: Sequence[_Part], facts: Mapping[str, str]) -> str:
    return "".join(
        _FACT.sub(lambda match: facts[match[1]], part.text) if facts.keys() >= set(part.needs) else part.instead
        for part in line
    )


@cache
def template(locale: Locale, name: str, workflow: str = "") -> Template:
    """The words that come with the program: of this workflow, if it has its own."""
    file = f"{name}.{workflow}.txt" if workflow and f"{name}.{workflow}" in standard_names(locale) else f"{name}.txt"
    return parse(f"{locale}/{file}", _read(locale, file))


@cache
def standard_names(locale: Locale) -> frozenset[str]:
    """The templates that come with the program, as `name` or `name.workflow`."""
    folder = files("notifications") / "templates" / locale
    return frozenset(each.name.removesuffix(".txt") for each in folder.iterdir()) - {"next_steps"}


def standard_text(locale: Locale, name: str) -> str:
    """The source of a template that comes with the program, by `name` or `name.workflow`."""
    return _read(locale, f"{name}.txt")


@dataclass(frozen=True, slots=True)
class Wording:
    """What an organisation's messages are made with.

    own     texts it words itself, by (workflow, name, locale); of all workflows where the workflow is empty
    links   by notice that its reader can acknowledge: the link that does so straight from the message, "" where there is none
    """

    own: Mapping[tuple[str, str, Locale], Template] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def template(self, locale: Locale, name: str, workflow: str = "") -> Template:
        """The most special words first; the organisation's own before those that come with the program."""
        own = self.own.get((workflow, name, locale)) or self.own.get(("", name, locale))
        return own or template(locale, name, workflow)


STANDARD = Wording()
NOTHING_ELSE = Rest()


@cache
def _next_steps(locale: Locale) -> Mapping[str, str]:
    """What to do, by `reason.{reason}`, `{workflow}.{state}`, `{state}` or `else`; before these, for who has to acknowledge
    it, by `acknowledge.{reason}` or `acknowledge.{workflow}.{state}`. Behind a reason may stand a workflow: its own words.
    """
    lines = (line.partition(": ") for line in _read(locale, "next_steps.txt").splitlines() if line.strip())
    return {key: text for key, _, text in lines}


def _read(locale: Locale, name: str) -> str:
    return (files("notifications") / "templates" / locale / name).read_text(encoding="utf-8")


# --- messages --------------------------------------------------------------------------------------------------------


def compose(
    claimed: Claimed, zone: ZoneInfo, school: SchoolSettings, now: datetime, wording: Wording = STANDARD
) -> Outgoing:
    """The message in words, ready for its channel."""
    notices = tuple(delivery.notice for delivery in claimed.deliveries)
    if claimed.how == "digest":
        fired = [notice for notice in notices if notice.reason != DAY]
        notices = (*fired, *(_of_what_waits(claimed, about) for about in claimed.rest.waiting))
        words = digest(notices, claimed.addressee, zone, school, now, wording, claimed.rest)
    elif claimed.addressee.key.startswith(GROUP) and notices[0].reason not in LISTS:
        told = [person["name"] for person in claimed.deliveries[0].told if person.get("name")]
        words = to_group(notices[0], told, claimed.addressee, zone, school, now, wording)
    else:
        words = direct(notices[0], claimed.addressee, zone, school, now, wording)
    return Outgoing(
        key=claimed.message,
        organisation=claimed.organisation,
        addressee=claimed.addressee,
        how=claimed.how,
        words=words,
        items=notices,
        told=claimed.deliveries[0].told,
    )


def direct(
    notice: Notice,
    reader: Addressee,
    zone: ZoneInfo,
    school: SchoolSettings,
    now: datetime,
    wording: Wording = STANDARD,
) -> Words:
    """One notice by itself."""
    facts = _facts(notice, reader, zone, school, now, wording)
    words = wording.template(reader.locale, _name_of(notice), notice.about.get("workflow") or "")
    if notice.reason in LISTS:
        lines = _lines_of(notice, reader, zone, school, now, wording)
        total = int(notice.about.get("count") or notice.about.get("done") or 0)
        facts |= _listed(notice, reader.locale, zone, now, total)
        subject, body = _filled(words, facts, lines, max(0, total - len(lines)))
    else:
        subject, body = words.fill(facts)
    return Words(subject, body, facts["link"])


LISTS = ("daily_list", "back")


def to_group(
    notice: Notice,
    told: Sequence[str],
    reader: Addressee,
    zone: ZoneInfo,
    school: SchoolSettings,
    now: datetime,
    wording: Wording = STANDARD,
) -> Words:
    """What is direct for people of a department, to its group: whom it is for and where he finds it. What somebody typed, or
    did, is for those whom it is for.
    """
    separator = "、" if reader.locale == "zh" else ", "
    known = _facts(notice, reader, zone, school, now, wording)
    facts = {fact: text for fact, text in known.items() if fact in FOR_EVERYBODY}
    facts |= {"who": shortened(separator.join(told), LONGEST["awaits"])} if told else {}
    subject, body = wording.template(reader.locale, "group").fill(facts)
    return Words(subject, body, facts["link"])


FOR_EVERYBODY = frozenset({"number", "workflow", "major", "state", "due", "left", "kind", "link", "when"})


def _of_what_waits(claimed: Claimed, about: Mapping[str, Any]) -> Notice:
    """A line of a digest that no notice asked for."""
    number = str(about.get("number"))
    written = claimed.deliveries[0].notice.written_at
    return Notice(f"{number}:waits", claimed.organisation, number, 0, "waiting", (), "digest", written, about)


def _lines_of(
    notice: Notice, reader: Addressee, zone: ZoneInfo, school: SchoolSettings, now: datetime, wording: Wording
) -> list[str]:
    locale = reader.locale
    line = wording.template(locale, "daily_line" if notice.reason == "daily_list" else "back_line")
    lines = []
    for position, of_one in enumerate(notice.about.get("lines") or (), start=1):
        at = datetime.fromisoformat(of_one["at"]) if of_one.get("at") else notice.written_at
        one = Notice(notice.id, notice.organisation, notice.case, 0, "waiting", (), "digest", at, of_one)
        facts = in_a_list(_facts(one, reader, zone, school, now, wording)) | {"position": str(position)}
        if who := of_one.get("who"):
            facts["person"] = shortened("、".join(who) if locale == "zh" else ", ".join(who), LONGEST["person"])
        lines.append("\n".join(text for text in line.fill(facts) if text))
    return lines


def _listed(notice: Notice, locale: Locale, zone: ZoneInfo, now: datetime, total: int) -> dict[str, str]:
    """What a list says around its lines."""
    about = notice.about
    facts = {"today": _day(now.astimezone(zone), locale)}
    if notice.reason == "daily_list":
        facts["count"] = str(total)
        facts["department"] = _words(about.get("department_title"), locale) or WHOLE_SCHOOL.in_(locale)
        return facts | ({"overdue": str(about["overdue"])} if about.get("overdue") else {})
    days = {name: date.fromisoformat(about[name]) for name in ("from", "until")}
    facts |= {name: _day(datetime(day.year, day.month, day.day, tzinfo=zone), locale) for name, day in days.items()}
    return facts | {"done_count": str(about["done"]), "waiting_count": str(about["waiting"])}


NOTHING_TO_DO = Text("不用办理", "nothing to do")
WHOLE_SCHOOL = Text("全校", "The whole school")


def digest(
    notices: Sequence[Notice],
    reader: Addressee,
    zone: ZoneInfo,
    school: SchoolSettings,
    now: datetime,
    wording: Wording = STANDARD,
    rest: Rest = NOTHING_ELSE,
) -> Words:
    """Everything that waits for one reader, worst first, one line per case: the newest word on it counts.

    rest   how much of it is not among these
    """
    newest: dict[str, Notice] = {}
    for notice in sorted(notices, key=lambda n: n.sequence):
        newest[notice.id if notice.case == LOGBOOK else notice.case] = notice
    lines = []
    overdue = rest.overdue
    for position, notice in enumerate(sorted(newest.values(), key=_worst_first), start=1):
        facts = in_a_list(_facts(notice, reader, zone, school, now, wording) | {"position": str(position)})
        if notice.reason == "informed":
            facts.setdefault("left", NOTHING_TO_DO.in_(reader.locale))
        due_at = _due_at(notice)
        overdue += due_at is not None and due_at < now and notice.reason != "informed"
        line = wording.template(reader.locale, "unreached_line" if notice.reason == "unreached" else "digest_line")
        lines.append("\n".join(text for text in line.fill(facts) if text))
    facts = {
        "count": str(len(lines) + rest.more),
        "today": _day(now.astimezone(zone), reader.locale),
        "link": school.link(school.desk_path),
    }
    facts |= {"name": reader.name} if reader.name else {}
    facts |= {"overdue": str(overdue)} if overdue else {}
    subject, body = _filled(wording.template(reader.locale, "digest"), facts, lines, rest.more)
    return Words(subject, body, facts["link"])


def _filled(words: Template, facts: Mapping[str, str], lines: Sequence[str], besides: int = 0) -> tuple[str, str]:
    """Subject and body of a list, with as many of its lines as a screen takes beside the words around them.

    besides   how many there are that have no line here
    """
    around = rows(words.fill({**facts, "lines": "1"})[1]) - 1
    return words.fill({**facts, **on_one_screen(lines, besides, around)})


def on_one_screen(lines: Sequence[str], besides: int, around: int) -> dict[str, str]:
    """The facts `lines` and `more`: one line at least, and what is left out counted.

    around   rows of the screen that are taken
    """
    shown: list[str] = []
    room = SCREEN_ROWS - around
    for position, line in enumerate(lines):
        room -= rows(line)
        last = position == len(lines) - 1 and not besides
        if room < (0 if last else 1) and shown:  # what is left out takes a row
            break
        shown.append(line)
    facts = {"lines": "\n".join(shown)} if shown else {}
    more = len(lines) - len(shown) + besides
    return facts | ({"more": str(more)} if more else {})


def in_a_list(facts: Mapping[str, str]) -> dict[str, str]:
    """The same facts, those that people typed short enough to stand among others."""
    return {name: shortened(value, SHORTEST[name]) if name in SHORTEST else value for name, value in facts.items()}


def columns(text: str) -> int:
    """How wide a phone draws it: Chinese characters and what it draws as wide as these take two."""
    return sum(2 if east_asian_width(letter) in "WFA" else 1 for letter in text)


def rows(text: str) -> int:
    """How many rows of a phone's screen it takes. A link is tapped, not read, and takes one however long it is."""
    return sum(max(1, -(-columns(_LINK.sub("", line)) // SCREEN_COLUMNS)) for line in text.split("\n"))


_LINK = re.compile(r"https?://\S+")


def shortened(text: str, most: int) -> str:
    """At most so many columns, an ellipsis where something was cut."""
    if columns(text) <= most:
        return text
    kept = ""
    for letter in text:
        if columns(kept + letter) > most - 2:
            break
        kept += letter
    return f"{kept.rstrip()}…"


def _worst_first(notice: Notice) -> tuple[bool, bool, bool, str, str]:
    """What only informs comes last; major before others; then the earliest deadline."""
    due_at = _due_at(notice)
    informs, minor = notice.reason == "informed", notice.about.get("level") != "major"
    return informs, minor, due_at is None, due_at.isoformat() if due_at else "", notice.case


def _name_of(notice: Notice) -> str:
    """The template that speaks of it."""
    if notice.reason == "escalation" and not notice.about.get("rung"):
        return "attention"  # no rung of a ladder: something happened too often, and the deadline may be far away
    return notice.reason if notice.reason in KINDS else "waiting"


ATTENTION = Text("请关注", "Needs your attention")
KINDS = {**REASONS, **WITHOUT_CASE}


def _kind(notice: Notice) -> Text:
    name = _name_of(notice)
    return ATTENTION if name == "attention" else KINDS[name]


# --- facts -----------------------------------------------------------------------------------------------------------


def _facts(
    notice: Notice, reader: Addressee, zone: ZoneInfo, school: SchoolSettings, now: datetime, wording: Wording
) -> dict[str, str]:
    """What can be said about a notice; what is not known has no key."""
    about, locale = notice.about, reader.locale
    level: str | None = about.get("level")
    separator = "、" if locale == "zh" else ", "
    known = {
        "name": reader.name,
        "number": about.get("number") or notice.case,
        "workflow": _words(about.get("workflow_title"), locale),
        "title": _words(about.get("title"), locale),
        "place": about.get("place"),
        "level": LEVELS[level].in_(locale) if level and level in LEVELS else level,
        "major": LEVELS["major"].in_(locale) if level == "major" else None,
        "state": _words(about.get("state_title"), locale) or about.get("state"),
        "step": _words(about.get("trigger_title"), locale),
        "actor": _actor(about, locale),
        "awaits": separator.join(filter(None, (_words(whom, locale) for whom in about.get("awaits") or ()))),
        "skipped": str(len(skipped)) if (skipped := about.get("skipped")) else None,
        "kind": _kind(notice).in_(locale),
        "to_do": _to_do(notice, locale, his=notice.id in wording.links),
        "link": wording.links.get(notice.id) or school.link(about.get("path") or school.desk_path),
        "when": _day(notice.written_at.astimezone(zone), locale),
    }
    if (missing := about.get("unconfirmed")) and missing["count"]:
        known["unconfirmed"] = _how_many(missing, locale)
    if notice.reason == "unreached":
        known |= {
            "who": about.get("who"), "cause": _words(about.get("cause"), locale),
            "department": _words(about.get("department_title"), locale),
            "since": _day(datetime.fromisoformat(about["since"]).astimezone(zone), locale) if about.get("since") else None,
        }  # fmt: skip
    if wording.links.get(notice.id):
        known["acknowledge"] = _words((about.get("acknowledge") or {}).get("title"), locale)
    due_at = _due_at(notice)
    if due_at is not None:
        known |= {"due": due_in_words(due_at, zone, now, locale), "left": left_in_words(due_at, zone, now, locale)}
        if about.get("provisional"):
            known["provisional"] = PROVISIONAL.in_(locale)
    # one line each: what a person typed must not make a second subject or a line of its own
    said = {fact: " ".join(value.split()) for fact, value in known.items() if value}
    if notice.reason == "sealed":
        return said  # nobody typed it, and half a root proves nothing
    return {fact: shortened(value, LONGEST[fact]) if fact in LONGEST else value for fact, value in said.items()}


def _how_many(missing: Mapping[str, Any], locale: Locale) -> str:
    """How many have not confirmed, and by what posts: names belong to the case alone."""
    posts = missing["posts"]
    more = missing["count"] > sum(number for _, number in posts)
    if locale == "zh":
        said = "、".join(f"{post}{number}人" for post, number in posts)
        return f"{missing['count']}人（{said}{'等' if more else ''}）"
    said = ", ".join(f"{number} {post}" for post, number in posts)
    return f"{missing['count']} ({said}{', …' if more else ''})"


PROVISIONAL = Text("暂定，待放假安排公布", "provisional until the holidays are known")


def _actor(about: Mapping[str, Any], locale: Locale) -> str | None:
    """Who took the last step, and in whose name."""
    by, represented = about.get("actor_post"), about.get("represented_post")
    if not by:
        return None
    return in_the_name_of(Text(by, by), Text(represented, represented) if represented else None).in_(locale)


def _words(value: Any, locale: Locale) -> str | None:
    """A text in both languages as a notice carries it, or a plain one."""
    if isinstance(value, Mapping):
        return value.get(locale) or value.get("zh")
    return value if isinstance(value, str) else None


def _to_do(notice: Notice, locale: Locale, *, his: bool) -> str:
    """`his`: whether it is for its reader to say that he has got it."""
    steps, about = _next_steps(locale), notice.about
    special = (
        (
            f"acknowledge.{notice.reason}.{about.get('workflow')}",
            f"acknowledge.{notice.reason}",
            f"acknowledge.{about.get('workflow')}.{about.get('state')}",
        )
        if his
        else ()
    )
    keys = (
        *special,
        f"reason.{notice.reason}.{about.get('workflow')}",
        f"reason.{notice.reason}",
        f"{about.get('workflow')}.{about.get('state')}",
        f"{about.get('state')}",
        "else",
    )
    return next(steps[key] for key in keys if key in steps)


def _due_at(notice: Notice) -> datetime | None:
    text = notice.about.get("due_at")
    return datetime.fromisoformat(text) if text else None


# --- days ------------------------------------------------------------------------------------------------------------


def due_in_words(due_at: datetime, zone: ZoneInfo, now: datetime, locale: Locale) -> str:
    """The local day, with the hour when it is near enough to matter and not the end of a day."""
    local, today = due_at.astimezone(zone), now.astimezone(zone)
    day = _last_moment(local)
    text = _day(day, locale, year=day.year != today.year)
    ends_the_day = day != local or (local.hour, local.minute) == (23, 59)
    if ends_the_day or (day.date() - today.date()).days not in (0, 1):
        return text
    return f"{text}{'' if locale == 'zh' else ' '}{local:%H:%M}"


def left_in_words(due_at: datetime, zone: ZoneInfo, now: datetime, locale: Locale) -> str:
    """How the reader stands to the deadline, in calendar days of his own."""
    days = (_last_moment(due_at.astimezone(zone)).date() - now.astimezone(zone).date()).days
    if days == 0:
        late = Text("今天已到期", "due earlier today") if due_at < now else Text("今天到期", "due today")
        return late.in_(locale)
    if locale == "zh":
        return f"还有 {days} 天" if days > 0 else f"已逾期 {-days} 天"
    unit = "day" if abs(days) == 1 else "days"
    return f"{days} {unit} left" if days > 0 else f"{-days} {unit} overdue"


def _last_moment(local: datetime) -> datetime:
    """Midnight ends the day before it: "until 24:00 on the 19th" must not be read as the 20th."""
    midnight = local.hour == local.minute == local.second == 0
    return local - timedelta(microseconds=1) if midnight else local


def _day(local: datetime, locale: Locale, *, year: bool = False) -> str:
    weekday = WEEKDAYS[locale][local.weekday()]
    if locale == "zh":
        return f"{f'{local.year}年' if year else ''}{local.month}月{local.day}日（周{weekday}）"
    return f"{weekday} {local.day} {MONTHS[local.month - 1]}{f' {local.year}' if year else ''}"
