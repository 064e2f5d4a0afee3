"""The web application: addresses, refusals as problems, one log line a request. Made from a runtime; keeps nothing of its own."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import feeds as calendar_feeds
from api import labels as labels_of_places
from api import pages
from api.auth import ON_BEHALF_OF, ORGANISATION, Asker, cookies, locale_of, runtime_of, signed_in, who
from api.auth.forms import put_away
from api.bootstrap import Runtime
from api.problems import defect, method_refused, problem, unknown_address
from api.reading import LONGEST_NAME
from api.requests import ONLY_HEADERS, misread_of, unreadable
from api.routes import (
    accounts,
    answering,
    campaigns,
    cases,
    channels,
    check,
    deliveries,
    directory,
    evidence,
    feeds,
    figures,
    files,
    health,
    labels,
    messages,
    organisations,
    overview,
    papers,
    people,
    preferences,
    trail,
    workflows,
    worklist,
)
from api.routes.under import BASE, Addresses
from api.schemas import Problem
from engine.case import instant_text
from engine.definition import Catalog
from engine.errors import Busy, InvalidInput, Refusal, Text
from engine.store import refusals
from engine.store.refusals import RefusalRecord

log = structlog.get_logger(__name__)

HSTS_SECONDS = 365 * 24 * 3600  # browsers ask by https only from then on
SIMULATED = "Bihuan-Simulated"  # the simulated instant, on every answer of a simulated folder


def create_app(runtime: Runtime) -> FastAPI:
    """The application on this runtime. Whoever makes the runtime closes it."""

    app = FastAPI(
        title="Bihuan 闭环",
        description="Rectification loops for school safety, closed and provable.",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its pages come from a CDN
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.router.routes.append(_found_by_words(runtime.engine.catalog))
    app.state.addresses = _addresses_of(runtime.engine.catalog)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_middleware(_Telling, runtime=runtime)
    app.openapi = lambda: _openapi(app, runtime)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


@lru_cache(maxsize=8)  # it takes half a second; a process has one catalog, tests have some
def routes_of(catalog: Catalog) -> Sequence[APIRoute]:
    """Every address but that of the document, each closed or open on purpose. They know no runtime: a request brings it
    along. Where two fit, the first is asked.
    """
    routers = (
        # the fixed addresses first: a loop's plural may not hide them, and the definition refuses one that would
        worklist.router,
        workflows.router,
        files.router,
        accounts.router,
        people.router,
        preferences.router,
        check.router,
        trail.router,
        directory.router,
        channels.router,
        messages.router,
        deliveries.router,
        organisations.router,
        labels.router,
        feeds.router,
        overview.router,
        papers.router,
        *cases.routers(catalog),
        *papers.routers(catalog),
        *evidence.routers(catalog),
        *figures.routers(catalog),
        *campaigns.routers(catalog),
        *deliveries.routers(catalog),
        health.router,
        accounts.strangers,
        feeds.strangers,
        *pages.STRANGERS,
        *pages.ROUTERS,
    )
    routes = tuple(route for router in routers for route in _made_by(router))
    must_be_closed(routes)
    return routes


def _made_by(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise RuntimeError(f"{route!r} is no address of its own, and what it leads to would not be looked at")
        yield route


@lru_cache(maxsize=8)  # as the routes
def _found_by_words(catalog: Catalog) -> Addresses:
    return Addresses(routes_of(catalog))


#: what anybody may ask, signed in or not; whatever else is added is closed or does not start
#: `/metrics` knows no people: it has a token of its own
OPEN = frozenset(
    {
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/openapi.json",
        "/api/v1/sign-in",
        "/",
        "/sign-in",
        "/setup",
        "/static/{name}",
        "/q/{token}",
        "/feeds/{token}.ics",
        "/language/{locale}",
        "/service-worker.js",
        "/manifest.webmanifest",
    }
)


def must_be_closed(routes: Iterable[APIRoute]) -> None:
    """Raises RuntimeError for an address that neither asks who is there, before it asks or reads anything else, nor is open
    on purpose.
    """
    for route in routes:
        if route.path not in OPEN and not _asks_who_first(route.dependant):
            raise RuntimeError(f"{route.path} is open to everybody: make it of `Router` or `Pages`, or list it in OPEN")


def _asks_who_first(dependant: Dependant) -> bool:
    """FastAPI goes through what an address needs in this order, and those of the router come first."""
    return bool(dependant.dependencies) and dependant.dependencies[0].call is signed_in


@lru_cache(maxsize=8)  # as the routes
def _addresses_of(catalog: Catalog) -> Sequence[tuple[re.Pattern[str], frozenset[str]]]:
    """Every address that is written down, and the methods it takes."""
    return tuple(
        (route.path_regex, frozenset(route.methods or ()))
        for route in routes_of(catalog)
        if route.include_in_schema or not route.path.startswith(f"{BASE}/")
    )


def _openapi(app: FastAPI, runtime: Runtime) -> dict[str, Any]:
    if app.openapi_schema is None:
        cookie = cookies.named(cookies.SESSION, runtime.settings)
        app.openapi_schema = _document(app.title, app.version, app.description, runtime.engine.catalog, cookie)
    return app.openapi_schema


@lru_cache(maxsize=8)  # as the addresses that stand in it
def _document(title: str, version: str, description: str, catalog: Catalog, cookie: str) -> dict[str, Any]:
    """cookie   the name of the session's"""
    schema = get_openapi(title=title, version=version, description=description, routes=routes_of(catalog))
    components = schema.setdefault("components", {})
    named = components.setdefault("schemas", {})
    named |= cases.form_components(catalog)
    named |= (
        answering.component("Problem", Problem)
        | answering.component("Bulk", cases.Bulk)
        | answering.component("MarkRead", people.MarkRead)
    )
    for name, form in {
        **directory.FORMS,
        **accounts.FORMS,
        **channels.FORMS,
        **messages.FORMS,
        **preferences.FORMS,
        **workflows.FORMS,
        **labels.FORMS,
        **feeds.FORMS,
    }.items():
        named |= answering.component(name, form)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": _BY_COOKIE},
    }
    schema["security"] = [{"bearer": []}, {"session": []}]
    components["parameters"] = _ASKING
    for path, operations in schema["paths"].items():
        if path.startswith(f"{BASE}/"):
            for operation in operations.values():
                named_here = [{"$ref": f"#/components/parameters/{name}"} for name in _ASKING]
                operation["parameters"] = [*operation.get("parameters", []), *named_here]
    return schema


_BY_COOKIE = f"What changes something carries the session's token in the header {cookies.CSRF_HEADER} as well"

#: headers that every address under /api/v1 takes
_ASKING = {
    "organisation": answering.header(
        ORGANISATION, "Where you ask, if not in the organisation you signed in at: by its key"
    ),
    "on_behalf_of": answering.header(
        ON_BEHALF_OF, "In whose name you ask, by that one's key: somebody you stand in for today"
    ),
}


# --- refusals ------------------------------------------------------------------------------------------------------------


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answered(request, error)


def _unreadable(request: Request, error: Exception) -> Response:
    """What FastAPI could not read of the address: told field by field, in our words where there are any."""
    assert isinstance(error, RequestValidationError)
    return _answered(request, misread_of(error, runtime_of(request).engine.words))


def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    shown = cookies.shown(request, cookies.SESSION, runtime_of(request).settings)
    if not hasattr(request.state, "asker") and (shown is not None or "authorization" in request.headers):
        try:
            who(request)  # only to know in whose name the refusal is logged
        except Refusal as refusal:
            return _answered(request, refusal)
    taken = _methods_of(request)
    if error.status_code == 405 and taken:
        return _answered(request, method_refused(request.method), {"Allow": ", ".join(sorted(taken))})
    if error.status_code in (404, 405):
        return _answered(request, unknown_address())
    try:
        unreadable(Text("请求无法读取", "the request cannot be read"))
    except InvalidInput as refusal:
        return _answered(request, refusal)


def _methods_of(request: Request) -> set[str]:
    """What this address takes, by whichever of its handlers; nothing where no handler is written down."""
    if b"%2f" in request.scope.get("raw_path", b"").lower():  # a slash inside a name: no case is called so
        return set()
    found = {
        method for path, methods in request.app.state.addresses if path.match(request.url.path) for method in methods
    }
    return found | {"HEAD"} if "GET" in found else found


def _answered(request: Request, refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    """The problem; and when a signed-in person was refused before `handle` could log it, the log's line."""
    asker: Asker | None = getattr(request.state, "asker", None)
    is_page = pages.is_page(request)
    told = pages.for_people(request, refusal) if is_page else refusal
    if asker is not None and not isinstance(refusal, Busy):
        _log(request, asker, refusal, told)
    runtime_of(request).metrics.refused(refusal)
    if is_page:
        return pages.refused(request, refusal, told, headers)
    names = asker is not None and asker.seen.everything
    return problem(refusal, locale_of(request), request.url.path, headers, names=names)


def _log(request: Request, asker: Asker, refusal: Refusal, told: Refusal) -> None:
    """told    the refusal as its reader has it: whoever reads the trail reads the same"""
    runtime = runtime_of(request)
    number = request.path_params.get("number")
    last = request.url.path.rsplit("/", 1)[-1]
    step = number or request.url.path.endswith(f"/bulk/{last}")
    asked = "read" if request.method in ("GET", "HEAD") else last if step else "open"
    record = RefusalRecord(
        organisation=asker.actor.organisation,
        at=runtime.clock.now(),
        principal=asker.actor.principal,
        on_behalf_of=asker.actor.on_behalf_of,
        route=f"{request.method} {_told(request.url.path)}"[:160],
        number=number[:LONGEST_NAME] if number else None,
        asked=asked[:LONGEST_NAME],
        code=refusal.code,
        reason=getattr(refusal, "reason", ""),
        sentence=told.on_record(),
    )
    try:
        with runtime.database.write(record.organisation) as connection:
            refusals.log(connection, record)
    except Busy:
        log.warning("refusal_not_logged", code=refusal.code, principal=record.principal)


def _told(path: str) -> str:
    """An address as logs have it: what the code of a label or the link to a calendar holds opens a door, and stands in no log."""
    secret = (f"{prefix}/" for prefix in (labels_of_places.PATH, calendar_feeds.PATH))
    return next((f"{prefix}…" for prefix in secret if path.startswith(prefix)), path)


def _as_problem(request: Request, refusal: Refusal) -> Response:
    return problem(refusal, locale_of(request), request.url.path)


# --- around every request ------------------------------------------------------------------------------------------------


class _Telling:
    """Around every request: HEAD is GET without its body, every answer carries the simulated instant, a defect becomes a
    problem and one log entry, and each request one log line: no query, no token, no body.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})  # one for whoever is given a copy of this scope, too
        began = time.monotonic()
        status = 500

        head = scope["method"] == "HEAD"
        told = False

        async def tell(message: Message) -> None:
            nonlocal status, told
            told = True
            if head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if self._runtime.settings.secure:
                    headers.setdefault("Strict-Transport-Security", f"max-age={HSTS_SECONDS}")
                if any(name == b"cookie" for name, _ in scope["headers"]):
                    headers.setdefault("Cache-Control", "private, no-store")  # what one person was shown
                if self._runtime.simulated:
                    headers[SIMULATED] = instant_text(self._runtime.clock.now())
            await send(message)

        try:
            if (
                "\0" in scope["path"]
            ):  # names nothing, and one kind of database can neither look for it nor write it down
                request = Request(scope, receive)
                self._runtime.metrics.refused(unknown_address())
                answer = pages.refused if pages.is_page(request) else _as_problem
                await answer(request, unknown_address())(scope, receive, tell)
                return
            await self._app({**scope, "method": "GET", ONLY_HEADERS: True} if head else scope, receive, tell)
        except Exception:
            # caught here and not by a handler: after those, the server logs the same traceback once more
            log.exception("defect", method=scope["method"], path=_told(scope["path"]))
            if told:
                raise  # half an answer has left; only a broken connection says that it is not whole
            request = Request(scope, receive)
            self._runtime.metrics.refused(defect())
            if pages.is_page(request):
                await pages.refused(request, defect())(scope, receive, tell)
            else:
                await _as_problem(request, defect())(scope, receive, tell)
        finally:
            await put_away(scope)
            took = round((time.monotonic() - began) * 1000, 1)
            log.debug("request", method=scope["method"], path=_told(scope["path"]), status=status, milliseconds=took)
