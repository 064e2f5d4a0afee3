"""What opens when the label of a place is scanned: for who is signed in the desk's form with the place filled in; for a
stranger, where the school allows it, a page of its own. It shows nothing about any case, and thanks in the same words always.
"""

import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from api import anonymous, labels
from api.anonymous import Report
from api.auth import TheRuntime, cookies, who
from api.auth.forms import TAKES_FILES, Sent, TheSent, is_light
from api.bootstrap import Runtime
from api.labels import PATH
from api.pages.rendering import PAGE_OF, REPORT, SIGN_IN, go_to, page
from api.problems import TooManyReports, not_for_you
from api.requests import KEY
from engine.errors import Busy, GuardRefused, InvalidInput, NotAllowed, Refusal, Text
from engine.store.labels import Label

strangers = APIRouter(prefix=PATH, include_in_schema=False)

TRAP = "website"  # nobody sees this field; programs fill it in
LONGEST = 1000  # characters that are looked at; the form takes 200

Done = Annotated[str | None, Query(max_length=20)]


def _at_label(request: Request, runtime: TheRuntime, token: str) -> Label:
    """The label in use whose code this is, before anything else is read. Raises UnknownLabel."""
    label = labels.scanned(runtime, token)
    takes = anonymous.allowed(runtime, label.organisation)
    setattr(request.state, TAKES_FILES, takes)
    setattr(request.state, PAGE_OF, label.organisation)
    if takes and request.method == "POST" and not is_light(request):
        anonymous.must_have_room(runtime, label, _address_of(request))
    return label


AtLabel = Annotated[Label, Depends(_at_label)]


@strangers.get("/{token}")
def scanned(request: Request, runtime: TheRuntime, label: AtLabel, token: str, done: Done = None) -> Response:
    elsewhere = _led_on(request, label)
    if elsewhere is not None:
        return elsewhere
    if done is not None:
        return page(request, "stranger_thanks.html", again=_address(token))
    return _form(request, runtime, label, token)


@strangers.post("/{token}")
def sent_by_stranger(request: Request, runtime: TheRuntime, label: AtLabel, sent: TheSent, token: str) -> Response:
    elsewhere = _led_on(request, label)
    if elsewhere is not None:
        return elsewhere
    cookies.must_be_from_here(request, runtime.settings)
    key = sent.one("key")
    try:
        cookies.must_be_of_this_browser(request, runtime.settings, sent.one(cookies.CSRF_FIELD))
        if sent.one(TRAP):
            runtime.strangers.count("trapped")
            return _thanked(token)  # whatever sent it need not learn that nothing came of it
        pictures = sent.files.get("photos", ())
        drawn = key if KEY.fullmatch(key) else secrets.token_urlsafe(16)
        anonymous.take(runtime, label, Report(sent.one("title")[:LONGEST], drawn, _address_of(request), pictures))
    except (InvalidInput, TooManyReports, NotAllowed, GuardRefused, Busy) as refusal:
        return _form(request, runtime, label, token, sent, refusal)
    return _thanked(token)


def _led_on(request: Request, label: Label) -> Response | None:
    """Where he goes on to, who reports in his own name; None where the stranger's page is his."""
    at_home = _signed_in_at(request)
    if at_home == label.organisation:
        return go_to(f"{REPORT}?place={quote(label.place)}")
    if getattr(request.state, TAKES_FILES, False):
        return None
    if at_home is None:
        token = request.path_params["token"]
        return go_to(f"{SIGN_IN}?next={quote(_address(token), safe='')}")
    raise not_for_you(Text("标签所属单位的人员", "people of the organisation the label belongs to"))


def _address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def _signed_in_at(request: Request) -> str | None:
    """The organisation he signed in at."""
    try:
        return who(request).account.organisation
    except Refusal:
        return None


def _form(
    request: Request,
    runtime: Runtime,
    label: Label,
    token: str,
    sent: Sent | None = None,
    refusal: Refusal | None = None,
) -> Response:
    """The form, with the sentence as it was typed and why it did not do. Pictures have to be taken again: nothing of a
    stranger's is kept before all of it is taken.
    """
    secret = cookies.shown(request, cookies.FORM, runtime.settings) or cookies.drawn()
    key = sent.one("key") if sent is not None else ""
    faults = {fault.field: fault.what for fault in refusal.fields} if refusal is not None else {}
    answer = page(
        request, "stranger.html", because=refusal, refusal=refusal, faults=faults, place=label.place,
        action=_address(token), title=sent.one("title")[:LONGEST] if sent is not None else "", trap=TRAP,
        photo_again=bool(sent is not None and sent.files), form_token=cookies.csrf_of(secret),
        key=key if KEY.fullmatch(key) else secrets.token_urlsafe(16),
        sign_in=f"{SIGN_IN}?next={quote(_address(token), safe='')}",
    )  # fmt: skip
    cookies.give(answer, cookies.FORM, secret, runtime.settings)
    return answer


def _thanked(token: str) -> Response:
    return go_to(f"{_address(token)}?done=sent")


def _address(token: str) -> str:
    return f"{PATH}/{token}"
