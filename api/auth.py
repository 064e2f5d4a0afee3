"""Who asks: a bearer token becomes an actor. Nothing in a body can say who somebody is."""

from dataclasses import dataclass
from functools import reduce
from typing import Annotated

from fastapi import Depends, Request

from api.bootstrap import Runtime
from api.problems import not_signed_in
from engine.actor import Actor, Visibility
from engine.authority import visibility
from engine.errors import Locale
from engine.store import accounts, people


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
    """Who this request comes from. Raises NotSignedIn; strangers' failures are counted, not stored."""
    runtime = runtime_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        runtime.strangers.count("no_token")
        raise not_signed_in(given=False)
    now = runtime.clock.now()
    with runtime.database.read() as connection:
        known = accounts.signed_in(connection, token, now)
        actors: tuple[Actor, ...] = ()
        if known is not None:
            organisation, person = known
            zone = people.time_zone(connection, organisation)
            actors = people.actors(connection, organisation, person, now.astimezone(zone).date())
    if not actors:
        runtime.strangers.count("bad_token")
        raise not_signed_in(given=True)
    eyes = [visibility(actor, runtime.engine.catalog.overseers) for actor in actors]
    asker = Asker(actors[0], locale_of(request), reduce(Visibility.joined_with, eyes), actors)
    request.state.asker = asker  # so that a refusal on the way can be logged under his name
    return asker


SignedIn = Annotated[Asker, Depends(signed_in)]
TheRuntime = Annotated[Runtime, Depends(_runtime)]
