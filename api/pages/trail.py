"""The trail as a page: what was done and what was refused, by whatever it is asked by; counted; taken away; and the seal on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request, Response
from sqlalchemy import Connection

from api.auth import SignedIn, TheRuntime
from api.pages.addresses import FIRST_DAY, LAST_DAY, Pages, Pairs, address_of, beginning, pairs_of
from api.pages.choosing import LABELS, Vocabulary
from api.pages.ledger import Chip, query_of
from api.pages.lists import TidyDrawnAgain
from api.pages.rendering import CASES, TRAIL, local, page
from api.problems import STATUS
from api.reading import name_for
from api.requests import known_parameters, place_cursor, place_of, unreadable
from api.routes.trail import asked_of, must_be_two
from api.routes.under import BASE
from api.trail import Reader, TrailEntry, Words, brought_up_to_date, called
from engine.errors import Text
from engine.events import LOGBOOK
from engine.store import people, questions, seals, trail
from engine.store.questions import Asked, Dimension

router = Pages(prefix=TRAIL, route_class=TidyDrawnAgain)

AT_A_TIME = 50
MOST_COUNTED = 200  # lines on a page; the whole answer is the JSON's
HOW = ("cursor", "by")
SELECTS = ("person", "action", "department", "workflow", "type", "outcome")
DATES = ("from", "to")
DIMENSIONS: tuple[Dimension, ...] = (
    "month",
    "day",
    "actor",
    "action",
    "department",
    "workflow",
    "type",
    "case",
    "outcome",
    "on_behalf_of",
)
#: code of a refusal → what that is called
REFUSALS: Mapping[str, Text] = {refusal.code: refusal.title for refusal in STATUS}


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as the page shows it. `case`: the address of the case, where it is one; `why`: of a refusal."""

    entry: TrailEntry
    at: str
    case: str | None
    workflow: str
    department: str
    why: Text | None


@dataclass(frozen=True, slots=True)
class Tally:
    """A line of counts: its values in words, how many, and the list of just these."""

    of: Sequence[str]
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class Seal:
    """How far the trail is signed. `signed_at`: None where nothing is yet; `open_`: entries that no signature covers."""

    signed_at: str | None
    age: Text | None
    size: int
    open_: int
    key: str


@router.get("", dependencies=[Depends(known_parameters)])
def trail_page(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    question: Annotated[Asked, Depends(asked_of)],
    from_day: date | None = None,
    to_day: date | None = None,
    by: Annotated[list[Dimension] | None, Query(max_length=2)] = None,
    cursor: str | None = None,
) -> Response:
    """As the JSON list: of cases the reader may see, and what he was refused himself. A last day is asked for whole."""
    here, reader = asker.actor.organisation, Reader.of(asker)
    after = place_of(cursor)
    if by:
        must_be_two(by)
    missing = brought_up_to_date(runtime, here)
    with runtime.database.read(here) as connection:
        zone = people.time_zone(connection, here)
        asked = _with_days(question, from_day, to_day, zone)
        found, following = questions.page(connection, reader.eyes, asked, limit=AT_A_TIME, after=after)
        entries = Words(runtime.engine.catalog, reader).entries(connection, found)
        counted = questions.counts(connection, reader.eyes, asked, by, zone) if by else None
        everybody = people.people(connection, here) if asker.seen.everything else []
        names = {person.person: name_for(person, asker) for person in everybody}
        vocabulary = Vocabulary(runtime.engine.catalog, asker.locale, zone, people.departments(connection, here), names)
        said = pairs_of(request, HOW)
        tallies = (
            []
            if counted is None
            else [
                _tally(connection, reader, by or [], of, count, said, vocabulary)
                for of, count in questions.greatest(counted, MOST_COUNTED)
            ]
        )
        seal = _seal(connection, here, runtime.clock.now(), zone, missing) if asker.seen.everything else None
    values, dimensions = dict(said), [(name, LABELS[name]) for name in DIMENSIONS]
    every = [("by", name) for name in by or ()]
    return page(
        request, "trail.html", asker=asker, active="cases", first_day=FIRST_DAY, last_day=LAST_DAY, lines=[_line(entry, vocabulary, zone) for entry in entries], said=values,
        selects=[vocabulary.choices(name, values.get(name, "")) for name in SELECTS if name != "person" or everybody],
        dates=[(name, LABELS[name]) for name in DATES], kept=_kept(said, bool(everybody)), chips=_chips(said, every, vocabulary), by=by or [], chosen=[*(by or ()), "", ""],
        dimensions=dimensions, tallies=tallies, total=0 if counted is None else counted.total(), seal=seal, missing=missing,
        cut=counted is not None and len(counted) > MOST_COUNTED, most=MOST_COUNTED, heads=[LABELS[name] for name in by or ()],
        files=_files(asked), everything=TRAIL, later=cursor is not None, ledger=CASES, first=address_of(TRAIL, [*said, *every]),
        more=address_of(TRAIL, [*said, *every, ("cursor", place_cursor(following))]) if following else None,
    )  # fmt: skip


def _with_days(asked: Asked, since: date | None, last: date | None, zone: ZoneInfo) -> Asked:
    """A day is asked for from its midnight, and to the end of the last one."""
    if since is not None:
        asked = replace(asked, since=beginning(since, zone, "from"))
    if last is not None:
        asked = replace(
            asked, before=beginning(last + timedelta(days=1), zone, "to") if last.year < date.max.year else None
        )
    if asked.since is not None and asked.before is not None and asked.since >= asked.before:
        unreadable(Text("起始日期晚于截止日期", "the first day is later than the last"), "from")
    return asked


# --- in words ------------------------------------------------------------------------------------------------------------


def _line(entry: TrailEntry, words: Vocabulary, zone: ZoneInfo) -> Line:
    is_case = entry.case is not None and entry.case != LOGBOOK
    return Line(
        entry,
        local(entry.at, zone),
        f"{CASES}/{entry.case}" if is_case and entry.workflow else None,
        words.said("workflow", entry.workflow or ""),
        words.said("department", entry.department or ""),
        None if entry.code is None else REFUSALS.get(entry.code, Text(entry.code, entry.code)),
    )


def _chips(said: Pairs, every: Pairs, words: Vocabulary) -> list[Chip]:
    return [
        Chip(LABELS.get(name, Text(name, name)), words.said(name, value), address_of(TRAIL, [*said[:at], *said[at + 1 :], *every]))
        for at, (name, value) in enumerate(said)
    ]  # fmt: skip


def _kept(said: Pairs, names: bool) -> Pairs:
    """What the form does not ask and the address says."""
    asked = {"case", *SELECTS, *DATES} - (set() if names else {"person"})
    return [(name, value) for name, value in said if name not in asked or (name in DATES and "T" in value)]


def _tally(
    connection: Connection, reader: Reader, by: Sequence[Dimension], of: Sequence[str | None], count: int, said: Pairs, words: Vocabulary
) -> Tally:  # fmt: skip
    """A line of counts, and the address of the entries it counts; those that lack the value cannot be asked for."""
    told = [_value(connection, reader, name, value, words) for name, value in zip(by, of, strict=True)]
    narrower = [*said]
    for name, value in zip(by, of, strict=True):
        if value is None:
            return Tally(told, count, "")
        narrower = _narrowed(narrower, name, value)
    return Tally(told, count, address_of(TRAIL, narrower))


def _narrowed(said: Pairs, name: str, value: str) -> list[tuple[str, str]]:
    if name in ("day", "month"):
        first = date.fromisoformat(value if name == "day" else f"{value}-01")
        last = first if name == "day" else (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        inside = dict(said)
        since, until = inside.get("from", ""), inside.get("to", "")
        bounds = [
            ("from", max(since, first.isoformat())),
            ("to", min(until, last.isoformat()) if until else last.isoformat()),
        ]
        return [*(pair for pair in said if pair[0] not in ("from", "to")), *bounds]
    return [*(pair for pair in said if pair[0] != name), (name, value)]


def _value(connection: Connection, reader: Reader, name: str, value: str | None, words: Vocabulary) -> str:
    if value is None:
        return "—"
    if name in ("actor", "on_behalf_of"):
        here = reader.actor.organisation
        return called(value, lambda key: people.person(connection, here, key), names=reader.seen.everything).in_(
            reader.locale
        )
    return value if name in ("day", "month") else words.said(name, value)


def _files(asked: Asked) -> list[tuple[str, str]]:
    renamed = {"since": "from", "before": "to"}
    said = [(renamed.get(name, name), value) for name, value in query_of(asked)]
    return [(form, address_of(f"{BASE}/events", [*said, ("format", form)])) for form in ("xlsx", "csv", "jsonl")]


# --- the seal ------------------------------------------------------------------------------------------------------------


def _seal(connection: Connection, organisation: str, now: datetime, zone: ZoneInfo, missing: int) -> Seal:
    signed, size = seals.last_checkpoint(connection, organisation), trail.size(connection, organisation)
    if signed is None:
        return Seal(None, None, 0, size + missing, "")
    return Seal(
        local(signed.at, zone),
        _age(now - signed.at),
        signed.size,
        max(size - signed.size, 0) + missing,
        signed.key[:16],
    )


def _age(age: timedelta) -> Text:
    minutes = max(int(age.total_seconds() // 60), 0)
    if minutes < 60:
        return Text(f"{minutes} 分钟前", f"{minutes} min ago")
    if minutes < 48 * 60:
        return Text(f"{minutes // 60} 小时前", f"{minutes // 60} h ago")
    return Text(f"{minutes // 1440} 天前", f"{minutes // 1440} days ago")
