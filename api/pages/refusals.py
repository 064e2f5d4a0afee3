"""A refusal that no form tells, as a page of its own: in words of people, and with a way back to where they can go on."""

import re
from collections.abc import Container, Mapping
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from api.auth import Asker, cookies, runtime_of
from api.auth.forms import TAKES_FILES
from api.pages.addresses import OF_DAY, address_of, shown_name
from api.pages.choosing import LABELS
from api.pages.faults import under_words
from api.pages.rendering import (
    ACCOUNT,
    CASES,
    DRAWN_AGAIN,
    HOME,
    MINE,
    OVERVIEW,
    SIGN_IN,
    TRAIL,
    go_to,
    own_address,
    page,
)
from api.pages.words import WORDS
from api.problems import MUST_CHANGE, STATUS, MethodRefused, UnknownAddress, headers_of
from api.requests import NO_FIELD, NOT_KNOWN
from engine.case import CASE_NUMBER
from engine.errors import FieldFault, InvalidInput, NotAllowed, NotSignedIn, Refusal, Text, UnknownCase

UNSENT = "unsent"  # in the address of the sign-in page: what was just sent was not taken
SIGN_OUT = "/sign-out"
_OF_CASE = re.compile(rf"{CASES}/({CASE_NUMBER.pattern})/.")
#: what a page calls its questions where it does not call them as the lists do
_OWN_LABELS: Mapping[str, Mapping[str, Text]] = {
    OVERVIEW: {
        "as_of": WORDS["overview_day"],
        "months": WORDS["overview_months"],
        "workflow": WORDS["overview_loop"],
        "organisation": WORDS["overview_whose"],
    },
    CASES: {"columns": WORDS["ledger_columns"]},
    TRAIL: {"by": WORDS["trail_count"]},
}
_OPENING = Text("打开页面", "Open the page")
_LOOKING = Text("查询", "Look it up")
_BELOW = Text(
    "下面没有按这些条件查；请改正后再查询", "What is shown below was not asked for that; correct it and ask again"
)
_GO_BACK = Text("请返回，改正后再查询", "Go back, correct it and ask again")


def refused(
    request: Request, refusal: Refusal, told: Refusal | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The refusal as a page in words; whoever is not signed in is led to where he can.

    told    as it is said to people, where somebody knows that already: `for_people`
    """
    if isinstance(refusal, NotSignedIn):
        answer = go_to(_sign_in(request))
        runtime = runtime_of(request)
        if cookies.shown(request, cookies.SESSION, runtime.settings) is not None:
            cookies.take_away(answer, cookies.SESSION, runtime.settings)
        return answer
    if isinstance(refusal, NotAllowed) and refusal.reason == MUST_CHANGE and request.method in cookies.SAFE:
        return go_to(ACCOUNT)  # where he can
    drawn: Response | None = getattr(request.state, DRAWN_AGAIN, None)
    if drawn is not None:  # a list that tells it itself, beside its fields
        return drawn
    asker: Asker | None = getattr(request.state, "asker", None)
    told = for_people(request, refusal) if told is None else told
    status = STATUS[type(refusal)]
    # what is around the page asks the database, which may be what fails; and leads to pages that open after the password is changed
    around = asker if asker is not None and status < 500 and not asker.account.must_change else None
    return page(
        request, "refusal.html", status=status, headers={**headers_of(refusal), **(headers or {})}, asker=around,
        refusal=told, back=_back(request, refusal, asker),
    )  # fmt: skip


def _sign_in(request: Request) -> str:
    """Where one signs in, and goes on to the page that was asked for. What was sent is lost, and that is said there."""
    path = request.url.path
    if request.method in cookies.SAFE:
        wanted = own_address(path + (f"?{request.url.query}" if request.url.query else ""))
        return f"{SIGN_IN}?next={quote(wanted, safe='')}" if wanted and wanted not in {"/", MINE} else SIGN_IN
    if path in {SIGN_OUT, SIGN_IN}:
        return SIGN_IN
    back = own_address(path) if _can_be_looked_at(request) else None
    return f"{SIGN_IN}?{UNSENT}=1" + (f"&next={quote(back, safe='')}" if back else "")


def _can_be_looked_at(request: Request) -> bool:
    """Whether the address of the form that was sent also shows it."""
    known = request.app.state.addresses
    return any("GET" in methods and path.match(request.url.path) for path, methods in known)


def for_people(request: Request, refusal: Refusal, *, drawn: bool = False) -> Refusal:
    """The same without what only programs know: names of parameters, addresses of documents, headers.

    drawn    whether the page that could not be asked so is shown all the same, without that
    """
    if isinstance(refusal, UnknownAddress | MethodRefused):
        return UnknownAddress(
            asked=_OPENING,
            obstacle=Text("没有这个页面", "there is no such page"),
            remedy=Text("请核对网址，或从页面上方的“待办”“台账”等栏目开始", "Check the address, or begin at one of the areas above, as Mine or the ledger")
            if getattr(request.state, "asker", None) is not None
            else Text("请核对网址，或登录后从“待办”开始", "Check the address, or sign in and begin at Mine"),
        )  # fmt: skip
    if not isinstance(refusal, InvalidInput) or not refusal.fields:
        return refusal
    path = request.url.path
    labels = {**LABELS, **_OWN_LABELS.get(path, {})}
    if request.method not in cookies.SAFE:
        return under_words(refusal, labels) or refusal
    faults = [_of_address(fault, labels, request.query_params) for fault in refusal.fields]
    asked, remedy = (_LOOKING, _BELOW) if drawn else (_OPENING, _GO_BACK)
    again = InvalidInput(asked=refusal.asked, obstacle=refusal.obstacle, remedy=remedy, fields=faults)
    return under_words(again, labels, asked) or refusal


def _of_address(fault: FieldFault, labels: Mapping[str, Text], said: Container[str]) -> FieldFault:
    called = shown_name(fault.field, said) in labels and fault.what != NOT_KNOWN  # it may be known to another list
    if called or (fault.field == NO_FIELD and NO_FIELD not in said):
        return FieldFault(fault.field.removesuffix(OF_DAY), fault.what, fault.among)
    return FieldFault(NO_FIELD, Text("网址中有不能识别的条件", "the address asks for what this page does not know"))


def _back(request: Request, refusal: Refusal, asker: Asker | None) -> str:
    """The case that was acted on, the page without what it could not be asked, or where one begins."""
    path = request.url.path
    if asker is None:  # a stranger at a label signs in nowhere
        return path if getattr(request.state, TAKES_FILES, False) else SIGN_IN
    if (case := _OF_CASE.match(path)) is not None and not isinstance(refusal, UnknownCase):
        return f"{CASES}/{case[1]}"
    if isinstance(refusal, InvalidInput) and request.method in cookies.SAFE and request.url.query:
        wrong = {shown_name(fault.field, request.query_params) for fault in refusal.fields}
        said = [(name.removesuffix(OF_DAY), value) for name, value in request.query_params.multi_items()]
        rest = [(name, value) for name, value in said if name not in wrong]
        return address_of(path, rest if len(rest) < len(said) else [])
    return HOME
