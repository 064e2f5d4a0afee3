"""Which address a request asks for: the one FastAPI would find going through all of them, found without that."""

import re
from typing import Any

import pytest
from fastapi.dependencies.utils import get_flat_params
from fastapi.openapi.utils import get_openapi
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.app import routes_of
from api.auth import signed_in
from api.requests import known_parameters
from api.routes.under import BASE, Addresses, Router
from workflows import CATALOG


async def nothing() -> None:
    pass


def a_router() -> Router:
    router = Router()
    for path in ("/loops", "/loops/{number}", "/loops/bulk/fix", "/loops/{number}/fix", "/loops/{number}/{trigger}"):
        router.add_api_route(path, nothing, methods=["POST"])
    router.add_api_route("/loops/{number}/fix", nothing, methods=["GET"])
    return router


def addresses_of(router: Router) -> Addresses:
    return Addresses(routes_in(router))


def routes_in(router: Router) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]


def asked(path: str, method: str = "POST", root: str = "") -> Scope:
    return {"type": "http", "method": method, "path": f"{root}{path}", "root_path": root, "headers": []}


FOUND: dict[tuple[str, str], tuple[Match, str | None]] = {
    ("POST", "/loops"): (Match.FULL, "/loops"),
    ("POST", "/loops/7"): (Match.FULL, "/loops/{number}"),
    ("POST", "/loops/7/fix"): (Match.FULL, "/loops/{number}/fix"),
    ("GET", "/loops/7/fix"): (Match.FULL, "/loops/{number}/fix"),  # the second of that path takes it
    ("PUT", "/loops/7/fix"): (Match.PARTIAL, "/loops/{number}/fix"),
    ("POST", "/loops/7/suffix"): (Match.FULL, "/loops/{number}/{trigger}"),
    ("POST", "/loops/bulk/fix"): (Match.FULL, "/loops/bulk/fix"),
    ("POST", "/loops/fix"): (Match.FULL, "/loops/{number}"),
    ("POST", "/loops/7/fix/"): (Match.NONE, None),
    ("POST", "/loops/"): (Match.NONE, None),
    ("POST", "/loopsome"): (Match.NONE, None),
    ("POST", "/other"): (Match.NONE, None),
    ("POST", ""): (Match.NONE, None),
}


@pytest.mark.parametrize("method, path", FOUND)
@pytest.mark.parametrize("root", ["", "/school", "/api"])
def test_the_first_written_down_that_fits_is_found(method: str, path: str, root: str) -> None:
    match, told = addresses_of(a_router()).matches(asked(f"{BASE}{path}", method, root))
    found = told["route"].path.removeprefix(BASE) if told else None
    assert (match, found) == FOUND[method, path]


def test_whatever_is_asked_the_same_is_found_as_by_going_through_all() -> None:
    routes = routes_of(CATALOG)
    addresses = Addresses(routes)
    for route in routes:
        for word in ("x", "bulk"):
            scope = asked(re.sub(r"{\w+}", word, route.path), min(route.methods or ()))
            match, told = addresses.matches(dict(scope))
            assert match is Match.FULL and told["route"] is _by_going_through(routes, scope), scope["path"]


def _by_going_through(routes: Any, scope: Scope) -> APIRoute | None:
    return next((route for route in routes if route.matches(dict(scope))[0] is Match.FULL), None)


def test_a_root_is_no_part_of_a_word() -> None:
    scope = {**asked(f"{BASE}/loops"), "root_path": "/ap"}
    assert addresses_of(a_router()).matches(scope)[0] is Match.FULL


def test_an_address_without_a_word_of_its_own_is_refused() -> None:
    router = Router()
    router.add_api_route("/{anything}", nothing)
    with pytest.raises(RuntimeError, match="no word of its own"):
        addresses_of(router)


def test_a_router_asks_who_is_there_before_anything_else() -> None:
    asks = [[each.call for each in route.dependant.dependencies] for route in routes_in(a_router())]
    assert asks == [[signed_in, known_parameters]] * 6


def test_no_answer_is_published_under_the_path_of_its_module() -> None:
    """As two answers of one name are, in the document others make their clients from."""
    answers = {str(route.response_model): route for route in routes_of(CATALOG) if route.include_in_schema}
    named = get_openapi(title="", version="", routes=list(answers.values()))["components"]["schemas"]
    assert "CaseAnswer" in named and [name for name in named if "__" in name] == []


def test_every_question_an_address_takes_is_described() -> None:
    described: list[str] = []
    undescribed: list[str] = []
    for route in routes_of(CATALOG):
        if route.include_in_schema:
            for field in get_flat_params(route.dependant):
                if isinstance(field.field_info, Query):
                    said = described if field.field_info.description else undescribed
                    said.append(f"{route.path}?{field.alias}")
    assert f"{BASE}/cases?opened_from" in described and undescribed == []
