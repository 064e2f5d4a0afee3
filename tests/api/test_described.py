"""Whatever the OpenAPI document describes is asked, signed in as three roles: nothing breaks, nothing answers what it does
not describe. Each request is thought up once and asked in every role on every kind of database: it takes as long as asking. The short
form; `BIHUAN_EXAMPLES=200 make test ARGS="-k described"` asks for longer.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from tests.builders import School, a_runtime, a_school
from tests.databases import KINDS, Kind, dropping_copies
from tests.fakes import calling
from workflows import CATALOG

EXAMPLES = int(
    os.environ.get("BIHUAN_EXAMPLES", "2")
)  # requests to each address in each role, on each kind of database
PARTS = 3  # which are tests of their own, so that the processes that test can share them
ROLES = ("safety_head", "hqc_head", "teacher")  # an overseer, a head in his department, somebody without a duty
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

#: what stands for itself in an address: without these nearly every request would end at *no such case*
KNOWN = {
    "number": ["YH-2020-0001", "YH-2020-0002", "YL-2020-0001"],
    "person": ["me", "teacher", "hqc_head", "nobody"],
    "key": ["hazard", "drill"],
    "code": ["leading_group", "HQC"],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mapping[Kind, httpx.Client], School, Any]]:
    """A school with a few cases on each kind of database, and the document that describes it."""
    with ExitStack() as stack:
        stack.enter_context(dropping_copies())
        clients: dict[Kind, httpx.Client] = {}
        school = School("school")
        for kind in KINDS:
            folder: Path = tmp_path_factory.mktemp("described")
            runtime = stack.enter_context(closing(a_runtime(folder / "data", kind, catalog=CATALOG)))
            a_school(runtime.database, school.organisation)
            client = clients[kind] = stack.enter_context(calling(create_app(runtime)))
            for title in ("插座松动", "灯不亮"):
                report = {"title": title, "place": "A-101", "department": "HQC"}
                client.post("/api/v1/hazards", json=report, headers=school.headers("teacher")).raise_for_status()
        documents = [
            client.get("/api/v1/openapi.json", headers=school.headers("teacher")).json() for client in clients.values()
        ]
        assert all(document == documents[0] for document in documents)
        yield clients, school, (schemathesis.openapi.from_dict(documents[0]), _nowhere(documents[0]))


def _nowhere(document: Mapping[str, Any]) -> Any:
    """The same without the headers that say where and in whose name one asks."""
    said = [{"$ref": f"#/components/parameters/{name}"} for name in ("organisation", "on_behalf_of")]
    paths = {
        path: {
            method: {**operation, "parameters": [one for one in operation.get("parameters", []) if one not in said]}
            for method, operation in operations.items()
        }
        for path, operations in document["paths"].items()
    }
    assert paths != document["paths"], "nothing says where to ask any more"
    return schemathesis.openapi.from_dict({**document, "paths": paths})


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_address_answers_as_described(
    part: int, places: tuple[Mapping[Kind, httpx.Client], School, Any], subtests: pytest.Subtests
) -> None:
    clients, school, documents = places
    together = zip(*(document.get_all_operations() for document in documents), strict=True)
    for somewhere, nowhere in islice(together, part, None, PARTS):
        with subtests.test(operation=somewhere.ok().label):
            _ask(clients, school, somewhere.ok(), nowhere.ok())


def _described_or_not(somewhere: Any, nowhere: Any) -> st.SearchStrategy[Any]:
    """Requests as the document has them, and some that differ from it in one place. Where and in whose name is said in one of
    four: where nobody is, nothing else is asked.
    """
    modes = [GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    operations = [nowhere, nowhere, nowhere, somewhere]
    return st.tuples(st.sampled_from(operations), st.sampled_from(modes)).flatmap(
        lambda drawn: drawn[0].as_strategy(generation_mode=drawn[1])
    )


def _ask(clients: Mapping[Kind, httpx.Client], school: School, somewhere: Any, nowhere: Any) -> None:
    # by the address: drawn by the function, as is usual, nearly every address would be given the same
    @seed(crc32(somewhere.label.encode()))
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=_described_or_not(somewhere, nowhere), data=st.data())
    def ask(case: Any, data: st.DataObject) -> None:
        for name in set(case.path_parameters or {}) & set(KNOWN):
            case.path_parameters[name] = data.draw(st.sampled_from([*KNOWN[name], case.path_parameters[name]]))
        asked = case.as_transport_kwargs(base_url="http://test")
        sent = {name: asked[name] for name in ("method", "url", "params", "json", "content") if name in asked}
        if "data" in asked:
            sent["content"] = asked["data"]
        for person in ROLES:
            said = {**asked["headers"], **school.headers(person)}  # the document names a bearer, and one was made up
            sent["headers"] = {name: str(value).encode() for name, value in said.items()}
            statuses = set()
            for client in clients.values():
                answer = client.request(**sent)
                answer.elapsed = timedelta()  # nothing was measured in one process, and it is asked for
                case.validate_response(answer, checks=CHECKS)
                statuses.add(answer.status_code)
            assert len(statuses) == 1, f"{person}: the kinds of database answer differently: {statuses}"

    ask()
