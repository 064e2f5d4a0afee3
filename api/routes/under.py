"""What the addresses under `/api/v1` have in common, and how the one a request asks for is found among all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.auth import signed_in
from api.requests import known_parameters

BASE = "/api/v1"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "RFC 9457 problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (401, 403, 404, 409, 410, 412, 413, 415, 422, 429, 503)
}
EVERYWHERE = (401, 403, 404, 422)  # whoever he is and whatever he asks for, that may be the answer


class Router(APIRouter):
    """Of addresses under `/api/v1` that ask before anything else who is there, and then whether they know every parameter.

    Said here and not where the routers are put together: FastAPI would make each address twice, half of a start's work.
    """

    def __init__(self, prefix: str = "", **given: Any) -> None:
        super().__init__(
            prefix=f"{BASE}{prefix}", dependencies=[Depends(signed_in), Depends(known_parameters)],
            responses={status: PROBLEMS[status] for status in EVERYWHERE}, **given,
        )  # fmt: skip


class Addresses(BaseRoute):
    """Every address there is, found by its first word and its last: `/api/v1/hazards/{number}/fix` by hazards and fix.

    Looked through one after another, as FastAPI does, the seven hundred there are took a tenth of a request's time. Of those
    that fit the first written down is taken, as there.
    """

    def __init__(self, routes: Sequence[APIRoute]) -> None:
        self.routes = tuple(routes)
        self._beginning = _by_beginning(self.routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first that takes path and method, else the first that takes the path: that one says which methods it takes."""
        found: tuple[Match, Scope] = Match.NONE, {}
        path, root = scope["path"], scope.get("root_path", "")
        if root and path.startswith(f"{root}/"):  # a proxy's own beginning, and no word that only begins like it
            path = path.removeprefix(root)
        for ending, route in self._beginning.get(_beginning(path), ()):
            if ending is None or path.endswith(ending):
                match, told = route.matches(scope)
                if match is Match.FULL:
                    return match, told
                if match is Match.PARTIAL and found[0] is Match.NONE:
                    found = match, told
        return found

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["route"].handle(scope, receive, send)  # the one that matched put itself there, as FastAPI's do


def _by_beginning(routes: Iterable[APIRoute]) -> Mapping[str, Sequence[tuple[str | None, APIRoute]]]:
    """First word → the ending without which none can fit, None where anything may stand there, and the route."""
    found: dict[str, list[tuple[str | None, APIRoute]]] = {}
    for route in routes:
        beginning, ending = _beginning(route.path), route.path[route.path.rfind("/") :]
        if "{" in beginning:
            raise RuntimeError(f"{route.path} begins with no word of its own, by which it could be found")
        found.setdefault(beginning, []).append((None if "{" in ending else ending, route))
    return found


def _beginning(path: str) -> str:
    """`/api/v1/hazards/YH-1` → `/api/v1/hazards`, `/cases/YH-1` → `/cases`."""
    start = len(BASE) if path.startswith(f"{BASE}/") else 0
    end = path.find("/", start + 1)
    return path if end < 0 else path[:end]
