from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.bootstrap import Runtime
from engine.store import people
from tests.builders import FOUNDED, School, a_runtime, a_school
from tests.databases import EMPTY, Kind
from tests.fakes import calling


@pytest.fixture
def founded() -> None:
    """Asked for by `school`, so that `runtime` sees whether its database is to have the school in it from the start."""


@pytest.fixture
def runtime(request: pytest.FixtureRequest, tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    upon = FOUNDED if "founded" in request.fixturenames else EMPTY
    made = a_runtime(tmp_path / "data", kind, upon=upon)
    yield made
    made.close()


@pytest.fixture
def school(founded: None, runtime: Runtime) -> School:
    """Written down already, unless the module has a runtime of its own."""
    with runtime.database.read_across() as connection:
        is_there = bool(people.organisations(connection))
    return School("school") if is_there else a_school(runtime.database)


@pytest.fixture
def client(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        yield client
