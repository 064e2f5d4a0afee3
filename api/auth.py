"""Who asks, where and in whose name: a bearer token becomes an actor. Nothing in a body can say who somebody is."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.problems import not_signed_in, not_standing_in, unknown_organisation
from engine.actor import Actor, Visibility
from engine.authority import visibility
from engine.directory import AT
from engine.errors import Locale
from engine.store import accounts, people

ORGANISATION = "Bihuan-Organisation"  # where he asks, if that is not the organisation he signed in at
ON_BEHALF_OF = "Bihuan-On-Behalf-Of"  # in whose name, by that one's key


def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _runtime(request: Request) -> Runtime:  # async, so that it costs no thread
    return runtime_of(request)


def locale_of(request: Request) -> Locale:
    """The better liked of our two languages, by `Accept-Language`; the setting's where neither is named."""
    liked: dict[Locale, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=").strip() if rest else "1"
        try:
            q = float(quality)
        except ValueError:
            continue
        primary = tag.strip().lower().split("-")[0]
        if primary == "zh":
            liked["zh"] = max(q, liked.get("zh", 0.0))
        elif primary == "en":
            liked["en"] = max(q, liked.get("en", 0.0))
    wanted = {locale: q for locale, q in liked.items() if q > 0}
    if not wanted:
        return runtime_of(request).settings.locale
    return "zh" if wanted.get("zh", 0.0) >= wanted.get("en", 0.0) else "en"


@dataclass(frozen=True, slots=True)
class Asker:
    """A signed-in person as this request found him.

    actor    as whom he asks now
    seen     which cases he may see, with his own eyes and with those of whom he represents
    actors   everything he can act as today: himself first
    """

    actor: Actor
    locale: Locale
    seen: Visibility
    actors: tuple[Actor, ...]


def signed_in(request: Request) -> Asker:
    """Who this request comes from, where and in whose name he asks.

    Raises    NotSignedIn: strangers' failures are counted, not stored; UnknownOrganisation for one that granted him nothing;
              NotAllowed for somebody he does not stand in for today
    """
    runtime = runtime_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        runtime.strangers.count("no_token")
        raise not_signed_in(given=False)
    now = runtime.clock.now()
    with runtime.database.read() as connection:
        known = accounts.signed_in(connection, token, now)
        actors = () if known is None else _actors(connection, *known, now)
        if known is None or not actors:
            runtime.strangers.count("bad_token")
            raise not_signed_in(given=True)
        asker = request.state.asker = _asker(request, runtime, actors)  # so that a refusal is logged under his name
        there = request.headers.get(ORGANISATION, known[0])
        if there != known[0]:
            home, person = known
            # one that gave him nothing looks like one that is not there
            actors = tuple(a for a in _actors(connection, there, f"{person}{AT}{home}", now) if a.grants)
            if not actors:
                raise unknown_organisation(there)
            asker = request.state.asker = _asker(request, runtime, actors)
        represented = request.headers.get(ON_BEHALF_OF)
        if represented is not None:
            as_whom = [actor for actor in asker.actors if actor.on_behalf_of == represented]
            if not as_whom:
                others = [actor.on_behalf_of for actor in asker.actors if actor.on_behalf_of is not None]
                raise not_standing_in(represented, others)
            asker = request.state.asker = replace(asker, actor=as_whom[0])
    return asker


def _actors(connection: Connection, organisation: str, key: str, now: datetime) -> tuple[Actor, ...]:
    """Everything he can act as there today; nothing where he is nobody, or the organisation is none."""
    if people.organisation(connection, organisation) is None:
        return ()
    today = now.astimezone(people.time_zone(connection, organisation)).date()
    return people.actors(connection, organisation, key, today)


def _asker(request: Request, runtime: Runtime, actors: tuple[Actor, ...]) -> Asker:
    eyes = [visibility(actor, runtime.engine.catalog.overseers) for actor in actors]
    return Asker(actors[0], locale_of(request), reduce(Visibility.joined_with, eyes), actors)


SignedIn = Annotated[Asker, Depends(signed_in)]
TheRuntime = Annotated[Runtime, Depends(_runtime)]
