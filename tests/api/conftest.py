from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api import logs
from api.app import create_app
from api.bootstrap import Runtime
from tests.builders import School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    logs.configure("warning", "console")


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    made = a_runtime(tmp_path / "data", kind)
    yield made
    made.close()


@pytest.fixture
def school(runtime: Runtime) -> School:
    return a_school(runtime.database)


@pytest.fixture
def client(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        yield client
