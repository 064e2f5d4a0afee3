"""A list that cannot be asked so is drawn again: without what is wrong, what was typed kept in its form, the fault beside it."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from api.auth import cookies, runtime_of
from api.pages.addresses import PassedOn, Tidy, shown_name
from api.pages.forms import what_of
from api.pages.refusals import for_people
from api.pages.rendering import DRAWN_AGAIN, Misasked, Wrong
from api.requests import misread_of
from engine.errors import FieldFault, InvalidInput

MOST_ROUNDS = (
    6  # some faults are found only when others are out of the way; an address nobody filled in may have any number
)
LONGEST = 300  # characters of what was typed that are shown again


class DrawnAgain(PassedOn):
    """Of a list. Its template draws its fields by `lists.html`, which knows what is wrong with them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def asked(request: Request) -> Response:
            try:
                return await answer(request)
            except (InvalidInput, RequestValidationError) as error:
                wrong = _refusal_of(request, error)
                if request.method not in cookies.SAFE or not await _drawn(request, answer, wrong):
                    raise
                raise wrong from error  # it is logged and counted as every refusal, and answered with what was drawn

        return asked


class TidyDrawnAgain(Tidy, DrawnAgain):
    """Of a list that asks for days."""


def is_drawn_again(request: Request) -> bool:
    """Whether the list is drawn without some of what it was asked, and so with more than was meant."""
    return getattr(request.state, "misasked", None) is not None


async def _drawn(
    request: Request, answer: Callable[[Request], Coroutine[Any, Any, Response]], wrong: InvalidInput
) -> bool:
    """Whether the list could be drawn without what is wrong with its address."""
    address = request.scope["query_string"]
    asked = said = request.query_params.multi_items()
    faults: list[FieldFault] = []
    try:
        for _ in range(MOST_ROUNDS):
            faults += wrong.fields
            names = {shown_name(fault.field, request.query_params) for fault in wrong.fields}
            rest = [(name, value) for name, value in said if shown_name(name, request.query_params) not in names]
            if len(rest) == len(said):  # it is not the address that is wrong
                return False
            said = rest
            request.scope["query_string"] = urlencode(said).encode()
            whole = InvalidInput(asked=wrong.asked, obstacle=wrong.obstacle, remedy=wrong.remedy, fields=faults)
            told = for_people(request, whole, drawn=True)
            request.state.misasked = Misasked(told, _by_field(faults, asked), address.decode("latin-1"))
            try:
                drawn = await answer(Request(request.scope, request.receive))
            except (InvalidInput, RequestValidationError) as error:
                wrong = _refusal_of(request, error)
            else:
                setattr(request.state, DRAWN_AGAIN, drawn)
                return True
        return False
    finally:
        request.scope["query_string"] = address
        request.state.misasked = None


def _by_field(faults: Sequence[FieldFault], asked: Sequence[tuple[str, str]]) -> Mapping[str, Wrong]:
    """The first fault of each field, under the name that its form has for it."""
    found: dict[str, Wrong] = {}
    names = {said for said, _ in asked}
    for fault in faults:
        name = shown_name(fault.field, names)
        typed = [value.replace("\0", "")[:LONGEST] for said, value in asked if shown_name(said, names) == name]
        found.setdefault(name, Wrong(typed, what_of(fault)))
    return found


def _refusal_of(request: Request, error: InvalidInput | RequestValidationError) -> InvalidInput:
    if isinstance(error, InvalidInput):
        return error
    return misread_of(error, runtime_of(request).engine.words)
