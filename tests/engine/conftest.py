from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Kind
from tests.engine.fakes import WITH_ERRANDS, School, a_school


@pytest.fixture
def school(tmp_path: Path, kind: Kind) -> Iterator[School]:
    """Monday 2 December 2019, nine in the morning. Carries two short loops besides the real ones."""
    with a_school(tmp_path, kind, catalog=WITH_ERRANDS) as school:
        yield school
