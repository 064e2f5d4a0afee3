"""What the address of a list says: what a form left blank is no question, and where an instant is asked for a day will do."""

import re
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from api.auth import signed_in
from api.pages.rendering import go_to
from api.requests import unreadable
from engine.calendar import EARLIEST
from engine.errors import Text

Pairs = Sequence[tuple[str, str]]

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: parameters that take an instant, as those of the JSON lists do, and on a page a day
DAYS = frozenset({"due_before", "opened_from", "opened_after", "as_of", "from", "to"})
OF_DAY = "_day"
LATEST = 2999  # years; a later one is mistyped, and before the EARLIEST a day may have no midnight in UTC
#: for controls of days, so that a browser sends no year that is half typed
FIRST_DAY, LAST_DAY = f"{EARLIEST}-01-01", f"{LATEST}-12-31"


#: what chat programs and their browsers append to an address that is sent on in them, and which values of it; all where it is
#: nothing else. What a list does not know would be refused otherwise, and who opens it has not asked for it
BY_CHATS: Mapping[str, Container[str] | None] = {
    "from": frozenset({"singlemessage", "groupmessage", "timeline"}), "isappinstalled": None, "nsukey": None,
    "clicktime": None, "enterid": None, "utm_source": None, "utm_medium": None, "utm_campaign": None, "utm_term": None,
    "utm_content": None,
}  # fmt: skip


class Pages(APIRouter):
    """Of pages that ask before anything else who is there; no document names them."""

    def __init__(self, prefix: str = "", **given: Any) -> None:
        super().__init__(prefix=prefix, dependencies=[Depends(signed_in)], include_in_schema=False, **given)


class PassedOn(APIRoute):
    """An address that may come out of a chat: it is answered without what that appended, under its own name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            said = pairs_of(request)
            own = [(name, value) for name, value in said if not _is_by_a_chat(name, value)]
            if request.method in ("GET", "HEAD") and len(own) < len(said):
                return go_to(address_of(request.url.path, own))
            return await answer(request)

        return answered


def _is_by_a_chat(name: str, value: str) -> bool:
    return name in BY_CHATS and ((values := BY_CHATS[name]) is None or value in values)


class Tidy(PassedOn):
    """An address that a form made without its blanks, so that it can be kept and sent on; its days stand under names of their
    own, `due_before_day`, as long as it is answered.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def tidied(request: Request) -> Response:
            if request.method not in ("GET", "HEAD"):
                return await answer(request)
            said = request.query_params.multi_items()
            kept = [(name, value) for name, value in said if value.strip()]
            if len(kept) < len(said):
                return go_to(address_of(request.url.path, kept))
            days = {name for name, value in kept if name in DAYS and DAY.fullmatch(value)}
            named = [
                (f"{name}{OF_DAY}" if DAY.fullmatch(value) else name, value) if name in days else (name, value)
                for name, value in kept
                if name not in days or DAY.fullmatch(value)
            ]
            request.scope["query_string"] = urlencode(named).encode()
            return await answer(Request(request.scope, request.receive))

        return tidied


def pairs_of(request: Request, without: Iterable[str] = ()) -> Pairs:
    """What the address says, days under the names they came by."""
    left_out = frozenset(without)
    said = [(name.removesuffix(OF_DAY), value) for name, value in request.query_params.multi_items()]
    return [(name, value) for name, value in said if name not in left_out]


def shown_name(name: str, said: Container[str]) -> str:
    """The name that a parameter has on the page, of one that it is answered by or of a part of it.

    said    the names that stand in the address: one that has a dot there is called so itself, and part of none
    """
    return name if "." in name and name in said else name.removesuffix(OF_DAY).partition(".")[0]


def address_of(path: str, said: Iterable[tuple[str, str]]) -> str:
    query = urlencode([*said])
    return f"{path}?{query}" if query else path


def beginning(day: date, zone: ZoneInfo, name: str) -> datetime:
    """The midnight with which it begins. Raises InvalidInput for a day far from all others.

    name    of the parameter that it was given as
    """
    if not EARLIEST <= day.year <= LATEST:
        unreadable(Text(f"{day} 不在可查的年份内", f"{day} is of no year that can be asked for"), name)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def evening(day: date, now: datetime, zone: ZoneInfo, name: str) -> datetime | None:
    """The last instant of a day that is over; None for today, which is now. Raises InvalidInput for what has not come."""
    today = now.astimezone(zone).date()
    if day > today:
        unreadable(Text(f"{day} 还没有到，今天是 {today}", f"{day} has not come yet: today is {today}"), name)
    return None if day == today else beginning(day + timedelta(days=1), zone, name) - timedelta(microseconds=1)
