"""A calendar as calendars on telephones read it: iCalendar, RFC 5545 and 7986, with whole days where a day is all there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vDuration, vText

MEDIA_TYPE = "text/calendar; charset=utf-8"
PRODUCT = "-//Bihuan//Calendar feeds//ZH"
REFRESHED_EVERY = timedelta(hours=4)  # what we ask of them; most do as they like
LINE, DELETE = "\n", "\x7f"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something on a day, or at an instant.

    uid          the same for the same thing each time it is asked for
    begins       a local day, or an aware instant in the zone it is told in
    last         the last of several whole days; None of one
    changed_at   aware UTC, when what is said here was last changed: without a METHOD that is what DTSTAMP means, and so an
                 entry that did not change is the same bytes again
    sequence     grows with each change
    provisional  whether it may still move
    """

    uid: str
    begins: date | datetime
    summary: str
    changed_at: datetime
    sequence: int = 0
    last: date | None = None
    place: str = ""
    description: str = ""
    url: str = ""
    provisional: bool = False


def calendar_of(name: str, about: str, entries: Sequence[Entry], zone: ZoneInfo) -> bytes:
    """zone   the school's; told whole where an entry has a time of day in it"""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    # twice, since most still read what there was before RFC 7986; and as vText, without which the library escapes nothing here
    for said, names in ((name, ("name", "x-wr-calname")), (about, ("description", "x-wr-caldesc"))):
        for each in names:
            calendar.add(each, vText(_words(said)))
    calendar.add("x-wr-timezone", zone.key)
    calendar.add("refresh-interval", REFRESHED_EVERY, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESHED_EVERY))  # the same to those who do not know RFC 7986
    timed = [entry.begins for entry in entries if isinstance(entry.begins, datetime)]
    if timed and zone.key != "UTC":
        calendar.add_component(_zone(zone.key, min(timed).year, max(timed).year))
    for entry in entries:
        calendar.add_component(_event(entry))
    written: bytes = calendar.to_ical()
    return written


def _event(entry: Entry) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", entry.changed_at)
    event.add("last-modified", entry.changed_at)
    event.add("sequence", entry.sequence)
    event.add("dtstart", entry.begins)
    if not isinstance(entry.begins, datetime):  # at an instant nothing lasts, and DTEND would have to be later
        event.add("dtend", (entry.last or entry.begins) + timedelta(days=1))
    event.add("summary", vText(_words(entry.summary)))
    for name, said in (("location", entry.place), ("description", entry.description)):
        if said:
            event.add(name, vText(_words(said)))
    if entry.url:
        event.add("url", entry.url)
    event.add("status", "TENTATIVE" if entry.provisional else "CONFIRMED")
    event.add("transp", "TRANSPARENT")  # a deadline takes up nobody's time: whoever looks for a free hour finds one
    return event


def _words(text: str) -> str:
    """Without what RFC 5545 lets stand in no text: control characters other than the end of a line."""
    in_lines = LINE.join(text.splitlines())
    return "".join(c if c == LINE or (c >= " " and c != DELETE) else " " for c in in_lines)


@lru_cache(maxsize=16)  # takes as long as writing fifty entries; whole years, so that it stays the same from day to day
def _zone(key: str, first: int, last: int) -> Timezone:
    return Timezone.from_tzid(key, first_date=date(first, 1, 1), last_date=date(last + 1, 1, 1))
