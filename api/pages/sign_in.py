"""The way in and out: the sign-in form, which only the browser that fetched it can send, and signing out."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api import first_visit
from api.auth import SignedIn, TheRuntime, before_password_change, cookies, who
from api.auth.forms import TheFields
from api.auth.signing import sign_in, sign_out
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.rendering import ACCOUNT, HOME, LANGUAGE, SIGN_IN, compressed, go_to, own_address, page, static_files
from api.problems import STATUS, SignInFailed, TooManyTries, headers_of, unknown_address
from api.routes.accounts import attempt_of, with_session
from engine.errors import Busy, NotAllowed, Refusal
from engine.store import people

strangers = APIRouter(include_in_schema=False)
router = Pages()

Next = Annotated[str | None, Query(alias="next", max_length=600)]
Flag = Annotated[str, Query(max_length=20)]
STATIC_SECONDS = 365 * 24 * 3600  # other content has another address


@strangers.get("/")
def front(request: Request) -> Response:
    return go_to(HOME if _is_signed_in(request) else SIGN_IN)


@strangers.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    if name not in static_files():
        raise unknown_address()
    content, media_type = static_files()[name]
    kept = {
        "Cache-Control": f"public, max-age={STATIC_SECONDS}, immutable", "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }  # fmt: skip
    if "gzip" in request.headers.get("accept-encoding", "") and (smaller := compressed(name)) is not None:
        content, kept["Content-Encoding"] = smaller, "gzip"
    return Response(content, media_type=media_type, headers=kept)


@strangers.get(f"{LANGUAGE}/{{locale}}")
def choose_language(runtime: TheRuntime, locale: Literal["zh", "en"], following: Next = None) -> Response:
    """In which language this browser reads from now on; back to where it was asked."""
    answer = go_to(own_address(following) or "/")
    cookies.give(answer, cookies.LANGUAGE, locale, runtime.settings, seconds=cookies.DEVICE_SECONDS)
    return answer


@strangers.get(SIGN_IN)
def sign_in_page(request: Request, runtime: TheRuntime, following: Next = None, unsent: Flag = "") -> Response:
    if _is_signed_in(request):
        return go_to(own_address(following) or HOME)
    if first_visit.is_open(runtime):
        return go_to(first_visit.PATH)
    return _form(request, runtime, {"next": following or ""}, unsent=unsent == "1")


@strangers.post(SIGN_IN)
def sign_in_by_form(request: Request, runtime: TheRuntime, fields: TheFields) -> Response:
    cookies.must_be_from_here(request, runtime.settings)
    try:
        cookies.must_be_of_this_browser(request, runtime.settings, fields.get(cookies.CSRF_FIELD))
        account, password = (fields.get(name, "")[:1000] for name in ("account", "password"))
        attempt = attempt_of(request, runtime, account[:200], password, fields.get("organisation", "")[:200])
        opened = sign_in(runtime, attempt)
    except (SignInFailed, TooManyTries, NotAllowed, Busy) as refusal:
        return _form(request, runtime, fields, refusal)
    following = own_address(fields.get("next"))
    answer = with_session(go_to(ACCOUNT if opened.must_change else following or HOME), opened, runtime)
    cookies.take_away(answer, cookies.FORM, runtime.settings)
    return answer


@router.post("/sign-out")
@before_password_change
def sign_out_by_form(runtime: TheRuntime, asker: SignedIn) -> Response:
    sign_out(runtime, asker.account)
    answer = go_to(SIGN_IN)
    cookies.take_away(answer, cookies.SESSION, runtime.settings)
    return answer


def _form(
    request: Request, runtime: Runtime, fields: dict[str, str], refusal: Refusal | None = None, *, unsent: bool = False
) -> Response:
    """The form, with what was typed last but for the password, and why it did not do.

    unsent    whether another form was sent when nobody was signed in any more
    """
    if refusal is not None:
        runtime.metrics.refused(refusal)
    secret = cookies.shown(request, cookies.FORM, runtime.settings) or cookies.drawn()
    with runtime.database.read_across() as connection:
        several = len(people.organisations(connection)) > 1
    answer = page(
        request, "sign_in.html", status=STATUS[type(refusal)] if refusal else 200,
        headers=headers_of(refusal) if refusal else None, refusal=refusal, several=several, unsent=unsent,
        account=fields.get("account", ""), organisation=fields.get("organisation", ""),
        following=own_address(fields.get("next")) or "", form_token=cookies.csrf_of(secret),
    )  # fmt: skip
    cookies.give(answer, cookies.FORM, secret, runtime.settings)
    return answer


def _is_signed_in(request: Request) -> bool:
    try:
        who(request)
    except Refusal:
        return False
    return True
