"""Which addresses are looked at at all: never fewer than FastAPI would find."""

import pytest
from starlette.routing import Match

from api.routes.under import BASE, Route, Router


async def nothing() -> None:
    pass


def a_router() -> Router:
    router = Router(prefix=BASE)
    for path in ("/loops", "/loops/{number}", "/loops/{number}/fix", "/loops/{number}/{trigger}", "/loops/bulk/fix"):
        router.add_api_route(path, nothing, methods=["POST"])
    return router


FOUND: dict[str, list[str]] = {
    "/loops": ["/loops"],
    "/loops/7": ["/loops/{number}"],
    "/loops/7/fix": ["/loops/{number}/fix", "/loops/{number}/{trigger}"],
    "/loops/7/suffix": ["/loops/{number}/{trigger}"],
    "/loops/bulk/fix": ["/loops/{number}/fix", "/loops/{number}/{trigger}", "/loops/bulk/fix"],
    "/loops/fix": ["/loops/{number}"],
    "/loops/7/fix/": [],
    "/other": [],
}


@pytest.mark.parametrize("path", FOUND)
@pytest.mark.parametrize("root", ["", "/school"])
def test_a_path_is_compared_with_the_addresses_that_end_as_it_does(path: str, root: str) -> None:
    scope = {"type": "http", "method": "POST", "path": f"{root}{BASE}{path}", "root_path": root, "headers": []}
    routes = [route for route in a_router().routes if isinstance(route, Route)]
    matching = [route.path for route in routes if route.matches(dict(scope))[0] is Match.FULL]
    assert matching == [f"{BASE}{found}" for found in FOUND[path]]


def test_an_address_without_a_word_of_its_own_has_another_router() -> None:
    router = Router(prefix=BASE)
    router.add_api_route("/{anything}", nothing)
    with pytest.raises(RuntimeError, match="FastAPI's router"):
        router.matches({"type": "http", "method": "GET", "path": f"{BASE}/x", "headers": []})
