"""Signing in and out over JSON; one's sessions, tokens and password, and an administrator's hand in those of others."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api import accounts as keeping
from api.auth import Asker, SignedIn, TheRuntime, before_password_change, cookies
from api.auth.signing import Attempt, Opened, change_password, sign_in, sign_out
from api.bootstrap import Runtime
from api.directory import Editor
from api.problems import not_for_you, not_from_a_token
from api.requests import Answers, StrangersAnswers, read_as
from api.routes.answering import body_of, json_of, refusals
from api.routes.directory import ME
from api.routes.under import BASE, Router
from engine.errors import Text
from engine.store import accounts
from engine.store.accounts import Session
from workflows.roles import ADMINISTRATOR

strangers = APIRouter(prefix=BASE, tags=["sign-in"])  # open: nobody is signed in yet
router = Router(tags=["sign-in"])

Word = Annotated[str, Field(min_length=1, max_length=200)]
Secret = Annotated[str, Field(max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(_Body):
    """`account` is a key or a staff number; `organisation` may be left out where only one could be meant."""

    organisation: Word | None = None
    account: Word
    password: Secret


class ChangePassword(_Body):
    old: Secret
    new: Secret


class MakeToken(_Body):
    """`read` tokens change nothing. For good where no `days` are said."""

    label: Annotated[str, Field(max_length=keeping.LONGEST_LABEL)] = ""
    allows: Literal["read", "act"] = "read"
    days: Annotated[int, Field(ge=1, le=keeping.MOST_DAYS, strict=True)] | None = None


#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {form.__name__: form for form in (SignIn, ChangePassword, MakeToken)}


class SignedInAnswer(BaseModel):
    """The cookie is in the headers. `csrf` goes into the header X-CSRF-Token of everything that changes something."""

    organisation: str
    person: str
    must_change: bool
    expires_at: AwareDatetime
    csrf: str


class SignedOut(BaseModel):
    signed_out: bool


class SessionAnswer(BaseModel):
    """`current`: the one that asks. `agent` is what the browser says of itself."""

    session: str
    agent: str
    created_at: AwareDatetime
    seen_at: AwareDatetime
    expires_at: AwareDatetime
    current: bool


class SessionList(BaseModel):
    """Last seen first."""

    items: list[SessionAnswer]


class Ended(BaseModel):
    ended: int


class PasswordChanged(BaseModel):
    """`csrf` of the session one goes on in; null for who asked with a token."""

    csrf: str | None


class FirstPassword(BaseModel):
    """Shown this once; it has to be changed at the first sign-in."""

    password: str
    must_change: bool


class TokenAnswer(BaseModel):
    prefix: str
    label: str
    allows: Literal["read", "act"]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class TokenList(BaseModel):
    """Oldest first, those no longer valid among them."""

    items: list[TokenAnswer]


class NewToken(BaseModel):
    """`token` is shown this once."""

    token: str
    prefix: str
    label: str
    allows: Literal["read", "act"]
    expires_at: AwareDatetime | None


class Revoked(BaseModel):
    revoked: int


# --- in and out ----------------------------------------------------------------------------------------------------------


@strangers.post(
    "/sign-in", response_model=SignedInAnswer, summary="登录 · Sign in",
    openapi_extra={**body_of(SignIn), "security": []}, responses=refusals(401, 403, 413, 415, 422, 429),
)  # fmt: skip
def sign_in_here(request: Request, runtime: TheRuntime, answers: StrangersAnswers) -> Response:
    """Opens a session whose cookie signs in from now on."""
    cookies.must_be_from_here(request, runtime.settings)
    form = read_as(SignIn, answers, runtime.engine.words)
    opened = sign_in(runtime, attempt_of(request, runtime, form.account, form.password, form.organisation))
    answer = SignedInAnswer(
        organisation=opened.organisation, person=opened.person, must_change=opened.must_change,
        expires_at=opened.expires_at, csrf=opened.csrf,
    )  # fmt: skip
    return with_session(json_of(answer, headers=NOT_KEPT), opened, runtime)


@router.post("/sign-out", response_model=SignedOut, summary="退出 · Sign out", responses=refusals(403))
@before_password_change
def sign_out_here(runtime: TheRuntime, asker: SignedIn) -> Response:
    """Ends the session that asks; a token is none, and stays."""
    sign_out(runtime, asker.account)
    answer = json_of(SignedOut(signed_out=asker.account.session is not None))
    cookies.take_away(answer, cookies.SESSION, runtime.settings)
    return answer


NOT_KEPT = {"Cache-Control": "no-store"}


def attempt_of(
    request: Request, runtime: Runtime, account: str, password: str, organisation: str | None = None
) -> Attempt:
    return Attempt(
        account.strip(), password, (organisation or "").strip() or None,
        place=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", ""),
        device=cookies.shown(request, cookies.DEVICE, runtime.settings),
        replaced=cookies.shown(request, cookies.SESSION, runtime.settings),
    )  # fmt: skip


def with_session(answer: Response, opened: Opened, runtime: Runtime) -> Response:
    """The answer, with the cookies that were opened."""
    cookies.give(answer, cookies.SESSION, opened.secret, runtime.settings)
    cookies.give(answer, cookies.DEVICE, opened.device, runtime.settings, seconds=cookies.DEVICE_SECONDS)
    return answer


# --- passwords -----------------------------------------------------------------------------------------------------------


@router.post(
    "/people/me/password", response_model=PasswordChanged, summary="更改密码 · Change my password",
    openapi_extra=body_of(ChangePassword), responses=refusals(403, 413, 415, 429),
)  # fmt: skip
@before_password_change
def change_my_password(request: Request, runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """Every session of the asker ends; the one that asks goes on under a new cookie."""
    form = read_as(ChangePassword, answers, runtime.engine.words)
    agent = request.headers.get("user-agent", "")
    opened = change_password(runtime, asker.account, form.old, form.new, agent)
    answer = json_of(PasswordChanged(csrf=opened.csrf if opened is not None else None), headers=NOT_KEPT)
    return answer if opened is None else with_session(answer, opened, runtime)


@router.post(
    "/people/{person}/password", response_model=FirstPassword, summary="重置密码 · Reset somebody's password",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def reset_password(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    """By an administrator: draws a first password, shown this once, and signs that person out everywhere."""
    password = first_password(runtime, asker, person)
    return json_of(FirstPassword(password=password, must_change=True), headers=NOT_KEPT)


def first_password(runtime: Runtime, asker: Asker, person: str) -> str:
    """Somebody else's first password, to be shown this once. Raises NotAllowed, NotInDirectory."""
    _for_administrators(asker)
    if (asker.actor.organisation, person) == (asker.account.organisation, asker.account.person):
        raise not_for_you(
            Text("另一位系统管理员；本人请用 people/me/password", "another administrator; use people/me/password")
        )
    return keeping.set_first_password(_editor(runtime, asker), runtime.hashing, person)


# --- sessions ------------------------------------------------------------------------------------------------------------


@router.get(
    "/people/{person}/sessions", response_model=SessionList, summary="登录 · Where somebody is signed in",
    responses=refusals(403, 404),
)  # fmt: skip
def list_sessions(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    organisation, key = _whose(asker, person)
    with runtime.database.read(organisation) as connection:
        keeping.must_be_here(connection, organisation, key, Text("查看登录", "See somebody's sessions"))
        found = accounts.sessions(connection, organisation, key, runtime.clock.now(), runtime.settings.session_idle)
    return json_of(SessionList(items=[session_answer(session, asker) for session in found]))


@router.delete(
    "/people/{person}/sessions", response_model=Ended, summary="注销登录 · End sessions",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def end_sessions(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    """All of them; of one's own all but the one that asks."""
    organisation, key = _whose(asker, person)
    if not _is_me(asker, organisation, key):
        return json_of(Ended(ended=keeping.end_session(_editor(runtime, asker), key, None)))
    runtime.writer.must_be_in_place()
    with runtime.database.write(organisation) as connection:
        ended = accounts.end_sessions(connection, organisation, key, runtime.clock.now(), but=asker.account.session)
    return json_of(Ended(ended=ended))


@router.delete(
    "/people/{person}/sessions/{session}", response_model=Ended, summary="注销一处登录 · End a session",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def end_session(runtime: TheRuntime, asker: SignedIn, person: str, session: str) -> Response:
    organisation, key = _whose(asker, person)
    if _is_me(asker, organisation, key):
        end_own_session(runtime, asker, session)
    else:
        keeping.end_session(_editor(runtime, asker), key, session)
    return json_of(Ended(ended=1))


def end_own_session(runtime: Runtime, asker: Asker, session: str) -> None:
    """Raises NotInDirectory where he has none that is called so."""
    runtime.writer.must_be_in_place()
    account = asker.account
    with runtime.database.write(account.organisation) as connection:
        if not accounts.end_session(connection, account.organisation, account.person, session, runtime.clock.now()):
            raise keeping.no_session(session)


def session_answer(session: Session, asker: Asker) -> SessionAnswer:
    here = asker.account.session
    return SessionAnswer(
        session=session.name, agent=session.agent, created_at=session.created_at, seen_at=session.seen_at,
        expires_at=session.expires_at, current=here is not None and here.session == session.session,
    )  # fmt: skip


# --- tokens --------------------------------------------------------------------------------------------------------------


@router.get(
    "/people/{person}/tokens",
    response_model=TokenList,
    summary="令牌 · Somebody's tokens",
    responses=refusals(403, 404),
)
def list_tokens(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    organisation, key = _whose(asker, person)
    with runtime.database.read(organisation) as connection:
        keeping.must_be_here(connection, organisation, key, Text("查看令牌", "See somebody's tokens"))
        found = accounts.tokens(connection, organisation, key)
    items = [TokenAnswer(**{name: token[name] for name in TokenAnswer.model_fields}) for token in found]
    return json_of(TokenList(items=items))


@router.post(
    "/people/me/tokens", status_code=201, response_model=NewToken, summary="新建令牌 · Make a token",
    openapi_extra=body_of(MakeToken), responses=refusals(403, 413, 415),
)  # fmt: skip
def make_token(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """For who is signed in with his password: a token makes no other, which might do more than it or outlive it."""
    form = read_as(MakeToken, answers, runtime.engine.words)
    made = make_own_token(runtime, asker, form)
    answer = NewToken(
        token=made.token, prefix=made.prefix, label=made.label, allows=made.allows, expires_at=made.expires_at
    )
    return json_of(answer, status=201, headers=NOT_KEPT)


def make_own_token(runtime: Runtime, asker: Asker, form: MakeToken) -> keeping.MadeToken:
    account = asker.account
    if account.session is None:
        raise not_from_a_token(keeping.MAKING_TOKEN)
    runtime.writer.must_be_in_place()
    return keeping.make_token(
        runtime.database, account.organisation, account.person, form.label.strip(), form.allows, form.days,
        runtime.clock.now(),
    )  # fmt: skip


@router.delete(
    "/people/{person}/tokens/{token}", response_model=Revoked, summary="吊销令牌 · Revoke a token",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def revoke_token(runtime: TheRuntime, asker: SignedIn, person: str, token: str) -> Response:
    """`token` is how it begins, as the list has it."""
    organisation, key = _whose(asker, person)
    if not _is_me(asker, organisation, key):
        return json_of(Revoked(revoked=keeping.revoke_token(_editor(runtime, asker), key, token)))
    runtime.writer.must_be_in_place()
    keeping.revoke_own_token(runtime.database, organisation, key, token, runtime.clock.now())
    return json_of(Revoked(revoked=1))


# --- who may -------------------------------------------------------------------------------------------------------------


def _whose(asker: Asker, person: str) -> tuple[str, str]:
    """(organisation, key) that is meant: `me` is the account that signed in, in whatever organisation and name he asks."""
    account = asker.account
    if person == ME or (asker.actor.organisation, person) == (account.organisation, account.person):
        return account.organisation, account.person
    _for_administrators(asker)
    return asker.actor.organisation, person


def _is_me(asker: Asker, organisation: str, key: str) -> bool:
    return (organisation, key) == (asker.account.organisation, asker.account.person)


def _for_administrators(asker: Asker) -> None:
    """Raises NotAllowed, before anything is looked up."""
    if not asker.actor.holds_any({ADMINISTRATOR}):
        raise not_for_you(Text("本单位系统管理员", "the administrator of the organisation"))


def _editor(runtime: Runtime, asker: Asker) -> Editor:
    runtime.writer.must_be_in_place()
    actor = asker.actor
    return Editor(
        runtime.database, actor.organisation, actor.principal, runtime.clock.now(), represented=actor.on_behalf_of
    )
