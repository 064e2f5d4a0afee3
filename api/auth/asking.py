"""Who asks, where and in whose name: a token or a cookie becomes an actor. Nothing in a body can say who somebody is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Annotated, Any, TypeVar, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from api.auth import cookies
from api.auth.forms import csrf_shown
from api.bootstrap import Runtime
from api.problems import (
    not_signed_in,
    not_standing_in,
    password_first,
    session_over,
    token_only_reads,
    unknown_organisation,
)
from engine.actor import Actor, Visibility
from engine.authority import visibility
from engine.directory import AT, Person
from engine.errors import Busy, Locale
from engine.store import accounts, people
from engine.store.accounts import Password, Session, TokenOf
from engine.store.database import naming, speak_for
from engine.store.people import AtWork
from engine.store.statements import Question

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

ORGANISATION = "Bihuan-Organisation"  # where he asks, if that is not the organisation he signed in at
ON_BEHALF_OF = "Bihuan-On-Behalf-Of"  # in whose name, by that one's key
SEEN_EVERY = timedelta(minutes=1)  # a session's last use is written down no more often: reading stays reading


def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _runtime(request: Request) -> Runtime:  # async, so that it costs no thread
    return runtime_of(request)


def locale_of(request: Request) -> Locale:
    """The one that was chosen on a page; else the better liked of our two languages, by `Accept-Language`; the setting's where
    neither is named.
    """
    chosen = cookies.shown(request, cookies.LANGUAGE, runtime_of(request).settings)
    if chosen in ("zh", "en"):
        return cast(Locale, chosen)
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
class Account:
    """What he signed in with: his own key at home, whatever organisation he asks in, and how.

    session       where he did at a browser; None for a token
    secret        what that session's cookie holds
    must_change   whether somebody else set his password
    """

    organisation: str
    person: str
    session: Session | None = None
    secret: str = ""
    must_change: bool = False
    reads_only: bool = False

    @property
    def csrf(self) -> str:
        return cookies.csrf_of(self.secret)


@dataclass(frozen=True, slots=True)
class Asker:
    """A signed-in person as this request found him.

    actor    as whom he asks now
    seen     which cases he may see, with his own eyes and with those of whom he represents
    actors   everything he can act as today: himself first
    known    what was read of the directory to know that: by key, himself and whom he represents among them
    """

    actor: Actor
    locale: Locale
    seen: Visibility
    actors: tuple[Actor, ...]
    account: Account
    known: Mapping[str, Person]

    @property
    def selves(self) -> frozenset[str]:
        """His own accounts, and nobody's whom he stands in for."""
        return frozenset().union(*(actor.selves for actor in self.actors if actor.on_behalf_of is None))


async def signed_in(request: Request) -> Asker:
    """Who this request comes from, where and in whose name he asks, when it may ask what it asks. Of a stranger nothing else
    is read.

    Raises    as `who`; NotAllowed for a token that only reads, for a request another site may have made his browser send,
              and for whoever has to choose a password of his own first
    """
    asker = await run_in_threadpool(who, request)
    account, changes = asker.account, request.method not in cookies.SAFE
    if account.session is None:
        if changes and account.reads_only:
            raise token_only_reads()
        return asker
    if changes:
        cookies.must_be_from_here(request, runtime_of(request).settings)
        cookies.must_carry(await csrf_shown(request), account.secret)
    if account.must_change and not getattr(request.scope.get("endpoint"), _EVEN_SO, False):
        raise password_first()
    return asker


_EVEN_SO = "before_password_change"


def before_password_change(endpoint: Endpoint) -> Endpoint:
    """Marks what is open also to who has to change his password before anything else."""
    setattr(endpoint, _EVEN_SO, True)
    return endpoint


def who(request: Request) -> Asker:
    """Who this request comes from, where and in whose name he asks.

    Raises    NotSignedIn: strangers' failures are counted, not stored; UnknownOrganisation for one that granted him nothing;
              NotAllowed for somebody he does not stand in for today
    """
    runtime = runtime_of(request)
    now = runtime.clock.now()
    shown = _shown(request, runtime)
    account, at_work = _as_last_time(runtime, shown, now) or _looked_up(runtime, shown, now)
    actors = _actors(at_work, account.person, now)
    if not actors:
        runtime.strangers.count("not_active")
        raise not_signed_in(given=True) if account.session is None else session_over()
    known = at_work.around.people if at_work else {}
    # a refusal is logged under his name
    asker = request.state.asker = _asker(runtime, locale_of(request), actors, account, known)
    asker = asks_at(request, asker, request.headers.get(ORGANISATION, account.organisation))
    represented = request.headers.get(ON_BEHALF_OF)
    if represented is not None:
        as_whom = [actor for actor in asker.actors if actor.on_behalf_of == represented]
        if not as_whom:
            others = [actor.on_behalf_of for actor in asker.actors if actor.on_behalf_of is not None]
            raise not_standing_in(represented, others)
        asker = request.state.asker = replace(asker, actor=as_whom[0])
    _saw(runtime, account, now)
    return asker


def asks_at(request: Request, asker: Asker, there: str) -> Asker:
    """The same person as he asks at this organisation, himself first. Raises UnknownOrganisation for one that granted him
    nothing: it looks like one that is not there.
    """
    if there == asker.actor.organisation:
        return asker
    runtime, account = runtime_of(request), asker.account
    now = runtime.clock.now()
    key = account.person if there == account.organisation else f"{account.person}{AT}{account.organisation}"
    with runtime.database.read(there) as connection:
        at_work = people.at_work(connection, there, key)
    actors = tuple(actor for actor in _actors(at_work, key, now) if actor.grants)
    if not actors or at_work is None:
        raise unknown_organisation(there)
    asker = request.state.asker = _asker(runtime, locale_of(request), actors, account, at_work.around.people)
    return asker


def as_he_would(runtime: Runtime, connection: Connection, there: str, key: str) -> Asker | None:
    """This person as he would be found to ask there this moment, in the language he reads messages in, who is not here to ask
    himself: what he may see now is what a link that he made leads to. None for whom nothing would open.
    """
    at_work = people.at_work(connection, there, key)
    actors = tuple(actor for actor in _actors(at_work, key, runtime.clock.now()) if actor.home is None or actor.grants)
    if not actors or at_work is None:
        return None
    known = at_work.around.people
    locale: Locale = "en" if known[key].locale == "en" else "zh"
    return _asker(runtime, locale, actors, Account(known[key].organisation, known[key].person), known)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a request shows of who asks: a token, or what a session's cookie holds."""

    secret: str
    is_token: bool

    @property
    def hash(self) -> str:
        return accounts.secret_hash(self.secret)

    def asking(self, runtime: Runtime, now: datetime) -> Question[TokenOf | None] | Question[Session | None]:
        """Whose it is, while it lives."""
        if self.is_token:
            return accounts.asking_signed_in(self.secret, now)
        return accounts.asking_session(self.secret, now, runtime.settings.session_idle)

    def account(self, whose: TokenOf | Session, password: Password | None) -> Account:
        if isinstance(whose, TokenOf):
            return Account(whose.organisation, whose.person, reads_only=whose.allows == "read")
        must_change = password is not None and password.must_change
        return Account(whose.organisation, whose.person, whose, self.secret, must_change)


def _shown(request: Request, runtime: Runtime) -> _Shown:
    """The token, where one is shown, whatever cookie the browser adds; else the session's cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and token:  # another scheme is the business of a proxy in front of us
        return _Shown(token, is_token=True)
    secret = cookies.shown(request, cookies.SESSION, runtime.settings)
    if secret is None:
        runtime.strangers.count("no_token")
        raise not_signed_in(given=False)
    return _Shown(secret, is_token=False)


def _as_last_time(runtime: Runtime, shown: _Shown, now: datetime) -> tuple[Account, AtWork | None] | None:
    """Who shows it, asked for at once with what there is to know of whom it belonged to when it was last shown. None where
    that is not known, or not all there is to ask.
    """
    expected = runtime.familiar.whose(shown.hash)
    if expected is None:
        return None
    questions: list[Question[Any]] = [shown.asking(runtime, now), *people.asking_at_work(*expected)]
    if not shown.is_token:
        questions.append(accounts.asking_password(*expected))
    whose, *answers = runtime.database.answers(expected[0], questions, shown.hash)
    password = None if shown.is_token else answers.pop()
    at_work = people.at_work_alone(*expected, answers)
    if at_work is None or whose is None or (whose.organisation, whose.person) != expected:
        runtime.familiar.forget(shown.hash)
        return None
    return shown.account(whose, password), at_work


def _looked_up(runtime: Runtime, shown: _Shown, now: datetime) -> tuple[Account, AtWork | None]:
    """Who shows it, and then what there is to know of him."""
    with runtime.database.read(accounts.NOWHERE) as connection:
        naming(connection, shown.hash)
        whose = shown.asking(runtime, now).ask(connection)
        if whose is None:
            runtime.strangers.count("bad_token" if shown.is_token else "no_session")
            raise not_signed_in(given=True) if shown.is_token else session_over()
        speak_for(connection, whose.organisation)
        password = None if shown.is_token else accounts.password(connection, whose.organisation, whose.person)
        at_work = people.at_work(connection, whose.organisation, whose.person)
    if at_work is not None and at_work.around.people.keys() == {whose.person}:
        runtime.familiar.remember(shown.hash, whose.organisation, whose.person)
    return shown.account(whose, password), at_work


def _saw(runtime: Runtime, account: Account, now: datetime) -> None:
    if account.session is None or now - account.session.seen_at < SEEN_EVERY:
        return
    try:
        with runtime.database.write(account.organisation) as connection:
            accounts.saw(connection, account.session, now)
    except (Busy, DBAPIError):
        return  # the next request says it again; reading goes on where nothing can be written


def _actors(at_work: AtWork | None, key: str, now: datetime) -> tuple[Actor, ...]:
    """Everything he can act as there today; nothing where he is nobody, or the organisation is none."""
    if at_work is None:
        return ()
    today = now.astimezone(ZoneInfo(at_work.organisation.time_zone)).date()
    return tuple(at_work.around.actors(key, today))


def _asker(
    runtime: Runtime, locale: Locale, actors: tuple[Actor, ...], account: Account, known: Mapping[str, Person]
) -> Asker:
    eyes = [visibility(actor, runtime.engine.catalog.overseers) for actor in actors]
    return Asker(actors[0], locale, reduce(Visibility.joined_with, eyes), actors, account, known)


def asker_of(request: Request) -> Asker:
    """Who was found to ask, where `signed_in` was asked before."""
    asker: Asker = request.state.asker
    return asker


SignedIn = Annotated[Asker, Depends(signed_in)]
TheRuntime = Annotated[Runtime, Depends(_runtime)]
