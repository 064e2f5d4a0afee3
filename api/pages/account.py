"""One's account: who I am here, for whom I may act, where I am signed in, my password and my tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response

from api import accounts as keeping
from api import labels
from api.auth import Asker, SignedIn, TheRuntime, before_password_change
from api.auth.forms import Fields, TheFields
from api.auth.signing import change_password
from api.bootstrap import Runtime
from api.directory import NotInDirectory
from api.pages.addresses import Pages
from api.pages.faults import under_words
from api.pages.forms import what_of
from api.pages.naming import Duty, NamesOf
from api.pages.rendering import ACCOUNT, go_to, local, page
from api.pages.words import WORDS
from api.problems import STATUS, TooManyTries, headers_of
from api.requests import read_as
from api.routes.accounts import MakeToken, end_own_session, make_own_token, with_session
from engine.errors import Busy, FieldFault, InvalidInput, Locale, NotAllowed, Refusal, Text
from engine.store import accounts, people

router = Pages(prefix=ACCOUNT)

Done = Annotated[str | None, Query(max_length=20)]
DONE = frozenset({"password", "session", "others", "token"})
OF_TOKEN: Mapping[str, Text] = {name: WORDS[name] for name in ("label", "allows", "days")}
USUAL_DAYS = 90  # that the form offers a token for
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)  # also far beyond what is taken, which is told as such


@dataclass(frozen=True, slots=True)
class Represented:
    name: str
    duties: list[Duty]


@dataclass(frozen=True, slots=True)
class Line:
    """A session or a token as the page lists it. `until` is empty for good; `over` says why it is not valid any more."""

    name: str
    title: str
    allows: str
    since: str
    seen: str
    until: str
    current: bool
    over: str


@router.get("")
@before_password_change
def account_page(request: Request, runtime: TheRuntime, asker: SignedIn, done: Done = None) -> Response:
    return _account(request, runtime, asker, done=done if done in DONE else None)


@router.post("/password")
@before_password_change
def change_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, fields: TheFields) -> Response:
    try:
        if fields.get("new") != fields.get("again"):
            raise _faulty("again", WORDS["not_the_same"])
        agent = request.headers.get("user-agent", "")
        old, new = (fields.get(name, "")[:1000] for name in ("old", "new"))
        opened = change_password(runtime, asker.account, old, new, agent)
    except (InvalidInput, TooManyTries, Busy) as refusal:
        return _account(request, runtime, asker, refusal=refusal)
    answer = go_to(f"{ACCOUNT}?done=password")
    return answer if opened is None else with_session(answer, opened, runtime)


@router.post("/sessions/end-others")
def end_others(runtime: TheRuntime, asker: SignedIn) -> Response:
    runtime.writer.must_be_in_place()
    account = asker.account
    with runtime.database.write(account.organisation) as connection:
        accounts.end_sessions(
            connection, account.organisation, account.person, runtime.clock.now(), but=account.session
        )
    return go_to(f"{ACCOUNT}?done=others")


@router.post("/sessions/{session}/end")
def end_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, session: str) -> Response:
    try:
        end_own_session(runtime, asker, session)
    except NotInDirectory as refusal:
        return _account(request, runtime, asker, refusal=refusal)
    return go_to(f"{ACCOUNT}?done=session")


@router.post("/tokens")
def make_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, fields: TheFields) -> Response:
    """The token is on the page that answers, and nowhere afterwards."""
    said: dict[str, Any] = {"label": fields.get("label", ""), "allows": fields.get("allows", "read")}
    days = fields.get("days", "").strip()
    if days:
        said["days"] = int(days) if WHOLE.fullmatch(days) else days
    try:
        made = make_own_token(runtime, asker, read_as(MakeToken, said, runtime.engine.words))
    except (InvalidInput, NotAllowed) as refusal:
        told = under_words(refusal, OF_TOKEN, WORDS["make_token"])
        return _account(request, runtime, asker, refusal=told, token=fields)
    return _account(request, runtime, asker, made=made)


@router.post("/tokens/{token}/revoke")
def revoke_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, token: str) -> Response:
    account = asker.account
    runtime.writer.must_be_in_place()
    try:
        keeping.revoke_own_token(runtime.database, account.organisation, account.person, token, runtime.clock.now())
    except NotInDirectory as refusal:
        return _account(request, runtime, asker, refusal=refusal)
    return go_to(f"{ACCOUNT}?done=token")


# --- the page ------------------------------------------------------------------------------------------------------------


def _account(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    *,
    refusal: Refusal | None = None,
    made: keeping.MadeToken | None = None,
    done: str | None = None,
    token: Fields | None = None,
) -> Response:
    """The page as things stand, with what was refused or done just now. Before the password is changed, only its form.

    token    what was typed into the form of a token that was refused
    """
    if refusal is not None:
        runtime.metrics.refused(refusal)
    status, headers = (STATUS[type(refusal)], headers_of(refusal)) if refusal is not None else (200, None)
    if asker.account.must_change:
        return page(request, "password.html", status=status, headers=headers, asker=asker, refusal=refusal)
    organisation, key = asker.account.organisation, asker.account.person
    now = runtime.clock.now()
    with runtime.database.read(organisation) as connection:
        zone = people.time_zone(connection, organisation)
        me = people.person(connection, organisation, key)
        here = people.organisation(connection, organisation)
        names = NamesOf(connection, organisation, asker.locale)
        actors = [actor for actor in asker.actors if actor.on_behalf_of is not None]
        represented = [Represented(names.person(str(a.on_behalf_of)), names.duties(a)) for a in actors]
        own = next((actor for actor in asker.actors if actor.on_behalf_of is None), asker.actor)
        duties = names.duties(own)
        found = accounts.sessions(connection, organisation, key, now, runtime.settings.session_idle)
        sessions = [_session_line(session, asker, zone) for session in found]
        tokens = [
            _token_line(token, now, zone, asker.locale) for token in accounts.tokens(connection, organisation, key)
        ]
    assert me is not None and here is not None  # he has just signed in
    return page(
        request, "account.html", status=status, headers=headers, asker=asker, refusal=refusal, made=made, done=done,
        me=me, organisation=here.name.in_(asker.locale), department=names.department(me.department),
        keeps_labels=asker.actor.holds_any(labels.READERS), duties=duties, represented=represented, sessions=sessions, tokens=tokens,
        token=token or {"days": str(USUAL_DAYS)}, faults={f.field: what_of(f) for f in refusal.fields} if token and refusal else {},
        longest_label=keeping.LONGEST_LABEL, most_days=keeping.MOST_DAYS,
    )  # fmt: skip


def _session_line(session: accounts.Session, asker: Asker, zone: ZoneInfo) -> Line:
    here = asker.account.session
    return Line(
        session.name, browser_of(session.agent), "", local(session.created_at, zone), local(session.seen_at, zone),
        local(session.expires_at, zone), here is not None and here.session == session.session, "",
    )  # fmt: skip


def _token_line(token: dict[str, Any], now: datetime, zone: ZoneInfo, locale: Locale) -> Line:
    expires_at = cast("datetime | None", token["expires_at"])
    over = ""
    if token["revoked_at"] is not None:
        over = WORDS["revoked"].in_(locale)
    elif expires_at is not None and expires_at <= now:
        over = WORDS["expired"].in_(locale)
    until = "" if expires_at is None else local(expires_at, zone)
    return Line(
        token["prefix"], token["label"], WORDS[token["allows"]].in_(locale), local(token["created_at"], zone), "",
        until, False, over,
    )  # fmt: skip


#: what stands in a browser's own words → what people call it; the first that fits, since most claim to be several
_BROWSERS = (
    ("MicroMessenger", "微信"), ("DingTalk", "钉钉"), ("wxwork", "企业微信"), ("Edg", "Edge"), ("Firefox", "Firefox"),
    ("HuaweiBrowser", "华为浏览器"), ("MiuiBrowser", "小米浏览器"), ("QQBrowser", "QQ 浏览器"), ("UCBrowser", "UC 浏览器"),
    ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl"), ("python", "Python"),
)  # fmt: skip
_SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("Mac OS", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def browser_of(agent: str) -> str:
    """A browser as people know it; its own first words where it is none of those."""
    browser = next((name for sign, name in _BROWSERS if sign.lower() in agent.lower()), "")
    system = next((name for sign, name in _SYSTEMS if sign.lower() in agent.lower()), "")
    return " · ".join(part for part in (browser, system) if part) or agent[:40] or "—"


def _faulty(field: str, fault: Text) -> InvalidInput:
    remedy = Text("请重新输入", "Type it again")
    return InvalidInput(
        asked=WORDS["change_password"], obstacle=fault, remedy=remedy, fields=(FieldFault(field, fault),)
    )
