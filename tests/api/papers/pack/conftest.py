from dataclasses import dataclass

import pytest

from api.app import create_app
from tests.api.papers.pack.packs import Files, a_key, a_pack, a_repair, files_of
from tests.builders import a_runtime, a_school
from tests.fakes import calling


@dataclass(frozen=True)
class Made:
    """A pack, its files by name, the fingerprint of the key it was signed with."""

    pack: bytes
    files: Files
    key: str
    number: str


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One pack for all who spoil it: which kind of database it came from makes no difference to them."""
    runtime = a_runtime(tmp_path_factory.mktemp("made") / "data", "sqlite")
    school = a_school(runtime.database)
    key = a_key(runtime)
    with calling(create_app(runtime)) as client:
        a_repair(client, school, "邻项", "别处", width=128)
        number = a_repair(client, school, "插座松动", "A-101")
        a_repair(client, school, "又一邻项", "他处", width=256)
    pack = a_pack(runtime, number)
    runtime.close()
    return Made(pack, files_of(pack), key.key, number)
