"""Every address is closed unless it stands in the list below, which is written by hand."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.app import create_app, must_be_closed
from api.bootstrap import Runtime
from tests.builders import School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling, written_down

#: what anybody may ask, and why
OPEN = {
    "GET /healthz": "whoever watches the process has no account",
    "GET /readyz": "the same",
    "GET /metrics": "asks for the operator's token, which is nobody's",
    "GET /api/v1/openapi.json": "says what there is to ask, and nothing of anybody",
    "POST /api/v1/sign-in": "nobody is signed in yet",
    "GET /": "leads to where one signs in, or to one's account",
    "GET /sign-in": "nobody is signed in yet",
    "POST /sign-in": "the same",
    "GET /setup": "there is nobody yet who could sign in; once there is, it is gone",
    "POST /setup": "the same",
    "GET /static/{name}": "how pages look",
    "GET /q/{token}": "whoever scans the label of a place; its code is all he shows",
    "POST /q/{token}": "the same, where the school takes anonymous reports",
    "GET /feeds/{token}.ics": "a telephone's calendar signs in nowhere; its link is all it shows",
    "GET /service-worker.js": "the same for everybody, and browsers fetch it by themselves",
    "GET /manifest.webmanifest": "browsers fetch it without the cookie",
    "GET /language/{locale}": "in which language one reads the way in",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def walked(app: FastAPI) -> dict[str, set[str]]:
    """Path → methods, of all routes there are, also those no document names."""
    found: dict[str, set[str]] = {}
    for route in written_down(app):
        found.setdefault(route.path, set()).update(route.methods or ())
    return found


def test_every_address_is_closed_but_those_of_the_list(runtime: Runtime, school: School) -> None:
    app = create_app(runtime)
    routes = walked(app)
    opened: set[str] = set()
    with calling(app) as client:
        for path, methods in routes.items():
            for method in METHODS:
                answer = client.request(method, re.sub(r"{\w+}", "x", path), headers={"Accept": "*/*"})
                where = f"{method} {path}"
                assert answer.status_code < 500, where
                if method not in methods and (method, "GET" in methods) != ("HEAD", True):
                    # one path may be written down twice, and another of its handlers may take the method
                    assert answer.status_code in (401, 404, 405) or answer.headers.get("location") == "/sign-in", where
                elif not _is_closed(answer, path):
                    opened.add(where.replace("HEAD", "GET"))
    assert opened == set(OPEN)
    assert len(routes) > 30


def _is_closed(answer: httpx.Response, path: str) -> bool:
    if path.startswith("/api/"):
        return (
            answer.status_code == 401
            and answer.headers["www-authenticate"].startswith("Bearer")
            and not _says_wrong(answer)
        )
    return answer.status_code == 303 and answer.headers["location"].partition("?")[0] == "/sign-in" and path != "/"


def _says_wrong(answer: httpx.Response) -> bool:
    """A sign-in that failed is answered 401 too, and yet it is open."""
    return answer.request.method != "HEAD" and answer.json()["code"] == "sign_in_failed"


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/docs/oauth2-redirect", "/openapi.json", "/static/../app.py", "/static/"]
)
def test_nothing_else_is_served(path: str, client: httpx.Client) -> None:
    assert client.get(path).status_code == 404


def test_an_address_without_a_sign_in_does_not_start(runtime: Runtime) -> None:
    """Whoever adds one and forgets what closes it is told before anybody can ask it."""
    app = create_app(runtime)

    @app.get("/api/v1/forgotten")
    def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(RuntimeError, match="/api/v1/forgotten"):
        must_be_closed(route for route in written_down(app) if isinstance(route, APIRoute))


def test_two_applications_have_their_addresses_in_common_and_nothing_else(
    runtime: Runtime, school: School, kind: Kind, tmp_path: Path
) -> None:
    """Addresses are made once for each catalog: what is added to one application, and whom it knows, is not the other's."""
    with closing(a_runtime(tmp_path / "other", kind)) as others:
        there = a_school(others.database, "another")
        one, two = create_app(runtime), create_app(others)
        one.add_api_route("/added", lambda: None)
        assert set(walked(one)) == {*walked(two), "/added"}
        with calling(one) as here, calling(two) as elsewhere:
            for client, known, unknown in ((here, school, there), (elsewhere, there, school)):
                for asker, status in ((known, 200), (unknown, 401)):
                    answer = client.get("/api/v1/worklist", headers=asker.headers("teacher"))
                    assert answer.status_code == status
        assert set(walked(create_app(runtime))) == set(walked(two))
